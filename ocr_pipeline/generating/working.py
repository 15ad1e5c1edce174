"""Makes the tests of one problem: inputs, their outputs, what they catch, and which of them stay.

A round makes inputs, asks right programs for the outputs, and runs the programs that nothing has caught yet on them.
The next round makes more, mutated from what caught something. Only the judge runs programs; every input that was made
is kept, or refused for one reason that is counted.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from ocr_pipeline.generating.bench import GIVE_UP_AFTER, QUICK_CHARACTERS, QUICK_GIVE_UP_AFTER, Bench
from ocr_pipeline.generating.calls import call_maker
from ocr_pipeline.generating.freezing import PROMISES
from ocr_pipeline.generating.grammar import Refusal
from ocr_pipeline.generating.making import Maker
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.outcomes import CPU_NOTE, Case, Fate, Kept, Left, Outcome, Problem, Program, in_turn
from ocr_pipeline.generating.statement import read_statement
from ocr_pipeline.generating.trying import KNOWN_TESTS, AnyMaker, ByModel
from ocr_pipeline.generating.understanding import understand
from ocr_pipeline.judge.checkers import CheckerBroken
from ocr_pipeline.judge.comparing import ResultTooLargeError, expected_value, read_result, rule_for
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.programs import Runner, RunResult, RunStatus
from ocr_pipeline.judge.verdicts import JudgeConfig, ProblemSpec, Test, Verdict
from ocr_pipeline.tables import JUDGED_LANGUAGES, CheckerProtocol, IoMode

__all__ = ["MutantMaker", "work_on"]

KNOWN_BYTES: Final = 256 << 10
FASTEST_MUTANT_S: Final = 1.0
SLOWER_THAN_RIGHT: Final = 5.0
AGREEING: Final = 2
SHOWN_CHARACTERS: Final = 2_000
ANSWER_CHARACTERS: Final = 40
FEWEST_INPUTS: Final = 10
MOST_FAILING: Final = 0.5
"""Valid inputs on which right programs fail are those for which they are too slow; of a misread grammar they are most."""

MutantMaker = Callable[[str, str, int, int], Sequence[str]]
"""Gives mutants of a program: code, language, how many, seed."""


@dataclass(slots=True)
class _Opponent:
    """A wrong program or a mutant, and the tests that catch it so far."""

    program: Program
    is_mutant: bool
    caught_by: list[str] = field(default_factory=list)
    passes_known: bool = True
    is_usable: bool = True


def work_on(
    problem: Problem, config: GeneratingConfig, judging: JudgeConfig, runner: Runner, gate: Gate, mutants: MutantMaker
) -> Outcome:
    """Make the tests of a problem.

    Raises
    ------
    JudgeError
        When the sandbox failed.
    """
    tests = _consistent(problem.tests)
    bench = Bench(runner, gate, _spec(problem, tests, None), judging)
    outcome = _worked_on(problem, tests, config, bench, mutants)
    return replace(outcome, notes={**outcome.notes, CPU_NOTE: round(1_000 * bench.cpu_s)})


def _worked_on(
    problem: Problem, tests: Sequence[Test], config: GeneratingConfig, bench: Bench, mutants: MutantMaker
) -> Outcome:
    """Make the tests of a problem, or say why it is left alone."""
    problem_id = problem.spec.problem_id
    shown = _shown(tests)
    model = ByModel(problem, tests, shown, config, bench)
    left = _left_alone(problem, tests, has_checker=model.checker is not None)
    if left is not None:
        return Outcome(problem_id, left, programs=model.accounted)
    maker, left, detail = _maker(problem, tests, (), config)
    if maker is None and not model.may_make:
        return Outcome(problem_id, left, detail, programs=model.accounted)
    bench.spec = _spec(problem, tests, model.checker)
    try:
        return _made(problem, tests, shown, config, bench, model, maker, mutants)
    except CheckerBroken as broken:
        model.give_up_checker()
        return Outcome(problem_id, Left.NEEDS_CHECKER, str(broken), programs=model.accounted)


def _made(
    problem: Problem,
    tests: Sequence[Test],
    shown: Sequence[Test],
    config: GeneratingConfig,
    bench: Bench,
    model: ByModel,
    maker: AnyMaker | None,
    mutants: MutantMaker,
) -> Outcome:
    """Make tests in rounds, where inputs and outputs can be made."""
    problem_id = problem.spec.problem_id
    right, refused = _right_programs(problem, config, bench, shown)
    if len(right) < AGREEING:
        left = Left.ONE_SOLUTION if right else Left.NO_SOLUTION
        notes = {"right programs that fail known tests": refused}
        return Outcome(problem_id, left, notes=notes, programs=model.accounted)
    work = _Work(problem, config, bench, right, shown, mutants)
    for round_number in range(config.rounds):
        before = len(work.uncaught)
        cases = [] if maker is None else _gated(maker, model, round_number, config, work)
        cases += model.cases(maker, work) if round_number == 0 else []
        answered = work.with_outputs(cases)
        if maker is not None and work.is_misread(len(answered)):
            return Outcome(problem_id, Left.MISREAD, funnel=work.none_kept(), programs=model.accounted)
        work.catch(answered, round_number)
        caught_nothing = round_number and len(work.uncaught) == before and not work.has_wrong_survivors
        if maker is None or not work.uncaught or caught_nothing or bench.runs >= config.budget_runs:
            break
        maker = _maker(problem, tests, work.catching(), config)[0]
    return replace(work.outcome(round_number + 1, refused), programs=model.accounted)


def _maker(
    problem: Problem, tests: Sequence[Test], more: Sequence[str], config: GeneratingConfig
) -> tuple[AnyMaker | None, Left | None, str]:
    """Return what makes inputs without a model, or why nothing does."""
    inputs = [test.input for test in tests]
    if problem.spec.io_mode == IoMode.FUNCTION:
        return _maker_of_calls(problem, [*inputs, *more])
    understood = understand(problem.statement, inputs)
    if understood is None:
        return None, Left.NO_GRAMMAR, ""
    maker = Maker(understood.grammar, [*inputs, *more], _seed(problem), int(config.max_test_kib * 1024))
    return (maker, None, "") if maker.is_free else (None, Left.PROMISES, "\n".join(understood.promises))


def _maker_of_calls(problem: Problem, inputs: Sequence[str]) -> tuple[AnyMaker | None, Left | None, str]:
    """Return what makes calls of a function; where the statement promises something of its arguments, nothing does."""
    promises = [each for each in read_statement(problem.statement).sentences if PROMISES.search(each.lower())]
    maker = call_maker(problem.statement, problem.spec.starter_code or "", inputs, _seed(problem))
    if maker is None or not maker.is_free:
        return None, Left.NO_GRAMMAR, ""
    return (None, Left.PROMISES, "\n".join(promises)) if promises else (maker, None, "")


def _spec(problem: Problem, tests: Sequence[Test], checker: str | None) -> ProblemSpec:
    """Return the problem as the judge takes it: with the tolerance that known outputs ask for, or a checker."""
    spec = problem.spec
    if checker is not None:
        protocol = CheckerProtocol.MADE.value
        return replace(spec, checker_language="python", checker_protocol=protocol, checker_code=checker)
    if spec.checker_code:
        return spec
    rule = rule_for(spec.checker, spec.float_tolerance, (test.expected for test in tests), is_function=False)
    return replace(spec, float_tolerance=rule.tolerance)


def _left_alone(problem: Problem, tests: Sequence[Test], *, has_checker: bool) -> Left | None:
    spec = problem.spec
    if spec.io_mode == IoMode.INTERACTIVE:
        return Left.INTERACTIVE
    if spec.needs_checker and not has_checker:
        return Left.NEEDS_CHECKER
    if not tests:
        return Left.UNUSABLE_TESTS if problem.tests or problem.too_large else Left.NO_TESTS
    return None if problem.right else Left.NO_SOLUTION


def _seed(problem: Problem) -> str:
    """Return what chance starts from: the content, so that a rebuilt table has the same bytes."""
    digest = hashlib.sha256(problem.statement.encode("utf-8", "surrogatepass"))
    for test in problem.tests:
        digest.update(test.input.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _consistent(tests: Sequence[Test]) -> list[Test]:
    """Return known tests without those that expect nothing, or that contradict another one."""
    answers: dict[str, set[str]] = {}
    for test in tests:
        answers.setdefault(test.input, set()).add(" ".join(test.expected.split()))
    return [test for test in tests if test.expected.strip() and len(answers[test.input]) == 1]


def _shown(tests: Sequence[Test]) -> list[Test]:
    """Return the known tests that programs are run on first: the examples, then small ones."""
    chosen: list[Test] = []
    size = 0
    for test in [*tests[:3], *sorted(tests[3:], key=lambda test: len(test.input))]:
        if len(chosen) == KNOWN_TESTS:
            break
        if size + len(test.input) <= KNOWN_BYTES:
            chosen.append(test)
            size += len(test.input)
    return chosen


def _right_programs(
    problem: Problem, config: GeneratingConfig, bench: Bench, shown: Sequence[Test]
) -> tuple[list[Program], int]:
    """Return right programs of different text that pass the known tests, languages in turn, and how many did not."""
    found: list[Program] = []
    refused = 0
    for program in in_turn(problem.right):
        if len(found) == config.right_programs:
            break
        done = bench.judged(program, shown, stops=True)
        if done.verdict is Verdict.ACCEPTED:
            found.append(program)
        elif done.verdict is not Verdict.NOT_RUN:
            refused += 1
    return found, refused


def _gated(maker: AnyMaker, model: ByModel, round_number: int, config: GeneratingConfig, work: _Work) -> list[Case]:
    """Return inputs that grammar and validator accept and nobody has seen; others are counted."""
    found = [
        Case(made.text, made.made_by)
        for made in maker.inputs(round_number, config.inputs_per_way)
        if work.is_new(made.text) and work.obeys(made.text, maker)
    ]
    return model.passed(found, work)


class _Work:
    """The state of one problem between rounds."""

    def __init__(
        self,
        problem: Problem,
        config: GeneratingConfig,
        bench: Bench,
        right: Sequence[Program],
        shown: Sequence[Test],
        mutants: MutantMaker,
    ) -> None:
        self._problem = problem
        self._config = config
        self._bench = bench
        self._right = right
        self._shown = shown
        self._known = {test.input.strip() for test in problem.tests}
        self._seen: set[str] = set()
        self.funnel: Counter[str] = Counter()
        self._agreed: dict[str, Case] = {}
        self._refused_late = 0
        self._slowest: dict[str, float] = {}
        self._opponents = [_Opponent(each, is_mutant=False) for each in in_turn(problem.wrong)[: config.wrong_programs]]
        self._opponents += [_Opponent(each, is_mutant=True) for each in _mutants_of(right, config.mutants, mutants)]
        for each in self._opponents:
            self._try_known(each)

    def is_new(self, text: str) -> bool:
        """Say whether an input was not seen yet; a known one, or one too large, is counted."""
        if text in self._seen:
            return False
        self._seen.add(text)
        if text.strip() in self._known:
            self.funnel[Fate.KNOWN] += 1
        elif len(text) > self._config.max_test_kib * 1024:
            self.funnel[Fate.TOO_LARGE] += 1
        else:
            return True
        return False

    def obeys(self, text: str, maker: AnyMaker) -> bool:
        """Say whether the grammar accepts an input; what it refuses is counted."""
        refused = maker.refusal(text)
        if refused is not None:
            self.funnel[{Refusal.SHAPE: Fate.SHAPE, Refusal.BOUNDS: Fate.BOUNDS}.get(refused, Fate.CONSTRAINT)] += 1
        return refused is None

    def _try_known(self, opponent: _Opponent) -> None:
        done = self._bench.judged(opponent.program, self._shown, stops=True, limit_s=self._limit(opponent))
        opponent.is_usable = not done.needs_checker and done.verdict not in {Verdict.NOT_RUN, Verdict.COMPILE_ERROR}
        opponent.passes_known = done.verdict is Verdict.ACCEPTED

    def _limit(self, opponent: _Opponent) -> float | None:
        if not opponent.is_mutant:
            return None
        return max(FASTEST_MUTANT_S, SLOWER_THAN_RIGHT * self._slowest.get(opponent.program.language, 0.0))

    def with_outputs(self, cases: Sequence[Case]) -> list[Case]:
        """Return the inputs on which right programs agree, cheap ones first, with their outputs."""
        ordered = sorted(cases, key=lambda case: case.cost)
        answered: list[Case] = []
        first = self._right[0]
        for case, done in zip(ordered, self._bench.outputs(first, [case.text for case in ordered]), strict=True):
            case.expected = self._printed(done)
            if done.status is not RunStatus.OK:
                self.funnel[Fate.RIGHT_FAILS] += 1
            elif not case.expected.strip():
                self.funnel[Fate.EMPTY_OUTPUT] += 1
            else:
                answered.append(case)
        for program in (*self._right[1:], first):
            answered = self._agreeing(program, answered)
        return answered

    def _printed(self, done: RunResult) -> str:
        """Return what a right program gave: what it printed or wrote, or what the function returned, as JSON."""
        if self._bench.spec.io_mode != IoMode.FUNCTION:
            return self._bench.printed(done).decode("utf-8", "replace")
        value = self._returned(done)
        return "" if value is None else json.dumps([value] if self._is_wrapped else value, ensure_ascii=False)

    def _returned(self, done: RunResult) -> object:
        """Return a plain value; ``None`` for what JSON cannot say: a set, a node, nothing at all."""
        try:
            value = read_result(done.result, "", is_table=self._right[0].language == "python")
            json.dumps(value)
        except (TypeError, ValueError, RecursionError, ResultTooLargeError):
            return None
        return value

    @cached_property
    def _is_wrapped(self) -> bool:
        """Whether known tests expect a list of the one result, as some sources write it."""
        done = next(iter(self._bench.outputs(self._right[0], [self._shown[0].input])))
        expected = expected_value(self._shown[0].expected)
        return isinstance(expected, list) and expected == [self._returned(done)]

    def _agreeing(self, program: Program, cases: Sequence[Case]) -> list[Case]:
        """Return the inputs on which a program gives the outputs that are there."""
        quick, other = (
            [case for case in cases if (len(case.text) <= QUICK_CHARACTERS) is is_quick] for is_quick in (True, False)
        )
        limits = self._bench.config.limits_for(self._bench.spec, program.language)
        results = [
            result
            for some, limit_s, give_up in (
                (quick, self._bench.quick_limit(program), QUICK_GIVE_UP_AFTER),
                (other, limits.cpu_s, GIVE_UP_AFTER),
            )
            if some
            for result in self._bench.judged(
                program, _tests(some), stops=False, limit_s=limit_s, give_up=give_up
            ).results
        ]
        by_id = {result.test_id: result for result in results}
        agreed = []
        for case in cases:
            result = by_id.get(_test_id(case.text))
            if result is not None and result.verdict is Verdict.ACCEPTED:
                agreed.append(case)
                slowest = max(self._slowest.get(program.language, 0.0), result.cpu_time_s or 0.0)
                self._slowest[program.language] = slowest
            else:
                is_other = result is not None and result.verdict is Verdict.WRONG_ANSWER
                self.funnel[Fate.DISAGREEMENT if is_other else Fate.RIGHT_FAILS] += 1
        return agreed

    def is_misread(self, answered: int) -> bool:
        """Say whether right programs fail on most of the inputs that they were asked so far."""
        failed = self.funnel[Fate.RIGHT_FAILS]
        asked = failed + self.funnel[Fate.DISAGREEMENT] + self.funnel[Fate.EMPTY_OUTPUT] + len(self._agreed) + answered
        return asked >= FEWEST_INPUTS and failed > MOST_FAILING * asked

    def none_kept(self) -> dict[str, int]:
        """Return the account where nothing that was made is believed."""
        told = Counter(self.funnel)
        # What a generator failed to make was never seen, but is in the account.
        told[Fate.MISREAD] = len(self._seen) + told[Fate.GENERATOR_FAILS] - told.total()
        return dict(+told)

    def catch(self, cases: Sequence[Case], round_number: int) -> None:
        """Run what is not caught often enough on new tests, from the cheapest on."""
        self._agreed |= {case.text: case for case in cases}
        wanted = self._config.catches_per_program
        for opponent in self._opponents:
            if not opponent.is_usable or (round_number and opponent.caught_by):
                continue
            tests = _tests(cases)
            while tests and len(opponent.caught_by) < wanted:
                done = self._bench.judged(opponent.program, tests, stops=True, limit_s=self._limit(opponent))
                if done.needs_checker or done.verdict in {Verdict.ACCEPTED, Verdict.NOT_RUN} or not done.results:
                    break
                opponent.caught_by.append(tests[len(done.results) - 1].input)
                tests = tests[len(done.results) :]

    @property
    def uncaught(self) -> list[_Opponent]:
        """Programs that nothing catches yet."""
        return [each for each in self._opponents if each.is_usable and not each.caught_by]

    @property
    def has_wrong_survivors(self) -> bool:
        """Whether a program that is known as wrong passes everything so far."""
        return any(not each.is_mutant and each.passes_known for each in self.uncaught)

    def catching(self) -> list[str]:
        """Return the inputs that catch something: the next round starts from them."""
        return sorted({text for each in self._opponents for text in each.caught_by}, key=lambda text: (len(text), text))

    def outcome(self, rounds: int, refused: int) -> Outcome:
        """Choose the tests that stay, make sure of them once more, and say what they catch."""
        chosen = self._chosen()
        for program in in_turn(self._problem.right):
            if program not in self._right and chosen:
                chosen = self._passed(program, chosen)
        catches = self._matrix(chosen)
        kept = tuple(
            Kept(case.text, case.expected, case.made_by, tuple(catches[case.text]), case.request_id) for case in chosen
        )
        self.funnel[Fate.KEPT] = len(kept)
        self.funnel[Fate.CATCHES_NOTHING] += (
            len(self._agreed) - sum(self.funnel[fate] for fate in (Fate.KEPT, Fate.OVER_CAP)) - self._refused_late
        )
        usable = [each for each in self._opponents if each.is_usable]
        caught = {name for names in catches.values() for name in names}
        wrong, mutated = ([each for each in usable if each.is_mutant is is_mutant] for is_mutant in (False, True))
        notes = {
            "rounds": rounds,
            "runs": self._bench.runs,
            "right programs that fail known tests": refused,
            "wrong programs": len(wrong),
            "wrong caught by known tests": sum(not each.passes_known for each in wrong),
            "wrong caught": sum(not each.passes_known or each.program.program_id in caught for each in wrong),
            "mutants": len(mutated),
            "mutants caught by known tests": sum(not each.passes_known for each in mutated),
            "mutants caught": sum(not each.passes_known or each.program.program_id in caught for each in mutated),
        }
        survivors = tuple(
            each.program.program_id for each in wrong if each.passes_known and each.program.program_id not in caught
        )
        left = None if kept else Left.NOTHING_CAUGHT
        return Outcome(
            self._problem.spec.problem_id, left, "", kept, dict(self.funnel), notes, survivors, self._example(kept)
        )

    def _chosen(self) -> list[Case]:
        """Return the cheapest tests that catch what they should, and the largest, within the caps."""
        worth: Counter[str] = Counter()
        for opponent in self._opponents:
            for place, text in enumerate(opponent.caught_by):
                worth[text] += 1_000 if place == 0 else 1
        by_size = sorted(self._agreed.values(), key=lambda case: case.cost, reverse=True)
        for case in by_size[: self._config.largest]:
            worth[case.text] += 500
        for place, case in enumerate(self._varied(set(worth))):
            worth[case.text] += self._config.varied - place
        ranked = sorted(worth, key=lambda text: (-worth[text], len(text), text))
        chosen: list[Case] = []
        size = 0
        for text in ranked:
            case = self._agreed[text]
            size += len(case.text) + len(case.expected)
            if len(chosen) == self._config.most_tests or size > self._config.max_problem_kib * 1024:
                self.funnel[Fate.OVER_CAP] += 1
                size -= len(case.text) + len(case.expected)
            else:
                chosen.append(case)
        return sorted(chosen, key=lambda case: case.cost)

    def _varied(self, taken: Collection[str]) -> list[Case]:
        """Return further inputs, those first whose outputs are rare among what is taken, of each way of making them in turn."""
        outputs = Counter(_answer(self._agreed[text].expected) for text in taken)
        turns: Counter[str] = Counter()
        order: list[tuple[int, int, str, Case]] = []
        for case in sorted(self._agreed.values(), key=lambda case: _test_id(case.text)):
            if case.text not in taken:
                order.append((outputs[_answer(case.expected)], turns[case.made_by], _test_id(case.text), case))
                outputs[_answer(case.expected)] += 1
                turns[case.made_by] += 1
        return [case for *_, case in sorted(order, key=lambda each: each[:3])[: self._config.varied]]

    def _passed(self, program: Program, chosen: Sequence[Case]) -> list[Case]:
        """Return the tests that another right program passes too; all of them where it fails a known test it is shown."""
        if self._bench.judged(program, self._shown, stops=True).verdict is not Verdict.ACCEPTED:
            return list(chosen)
        before = Counter(self.funnel)
        passed = self._agreeing(program, chosen)
        self._refused_late += sum((Counter(self.funnel) - before).values())
        return passed

    def _matrix(self, chosen: Sequence[Case]) -> dict[str, list[str]]:
        catches: dict[str, list[str]] = {case.text: [] for case in chosen}
        tests = _tests(chosen)
        for opponent in self._opponents:
            if not opponent.is_usable or not tests:
                continue
            done = self._bench.judged(opponent.program, tests, stops=False, limit_s=self._limit(opponent))
            if done.needs_checker:
                continue
            for result, test in zip(done.results, tests, strict=False):
                if result.verdict is not Verdict.ACCEPTED:
                    catches[test.input].append(opponent.program.program_id)
        return catches

    def _example(self, kept: Sequence[Kept]) -> dict[str, str] | None:
        """Return a wrong program that only the new tests catch, with the smallest of them and what it prints there."""
        for opponent in self._opponents:
            name = opponent.program.program_id
            test = next((test for test in kept if name in test.catches), None)
            if opponent.is_mutant or not opponent.passes_known or test is None:
                continue
            run = next(iter(self._bench.outputs(opponent.program, [test.input])))
            printed = run.stdout.decode("utf-8", "replace") if run.status is RunStatus.OK else str(run.status)
            shown = {
                "program": name,
                "code": opponent.program.code,
                "input": test.input,
                "expected": test.expected,
                "printed": printed,
            }
            return {key: text[:SHOWN_CHARACTERS] for key, text in shown.items()}
        return None


def _answer(expected: str) -> str:
    """Return what an output is taken as when kinds of outputs are counted: its beginning."""
    return " ".join(expected.split())[:ANSWER_CHARACTERS]


def _tests(cases: Sequence[Case]) -> list[Test]:
    return [Test(_test_id(case.text), case.text, case.expected) for case in cases]


def _test_id(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _mutants_of(right: Sequence[Program], number: int, mutants: MutantMaker) -> list[Program]:
    """Return mutants of the first right program of each language: seven eighths of Python, which costs no compiler."""
    first = {
        language: next((each for each in right if each.language == language), None) for language in JUDGED_LANGUAGES
    }
    languages = [language for language in JUDGED_LANGUAGES if first[language] is not None]
    shares = {"python": 7, "cpp": 1}
    total = sum(shares[language] for language in languages)
    made: list[Program] = []
    for language in languages:
        program = first[language]
        if program is None:
            continue
        codes = mutants(program.code, language, number * shares[language] // total, 0)
        made += [Program(f"{program.program_id}#mutant{place}", language, code) for place, code in enumerate(codes)]
    return made
