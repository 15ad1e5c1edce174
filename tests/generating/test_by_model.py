"""The teacher writes validators, generators and checkers; each is tried before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ocr_pipeline import tables
from ocr_pipeline.building import build_unless_current
from ocr_pipeline.generating import steps
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.steps import GENERATE_TESTS
from ocr_pipeline.judge.programs import Limits
from ocr_pipeline.options import Options
from ocr_pipeline.steps import Job, Services, build_of, stored_rows
from ocr_pipeline.store import Store
from ocr_pipeline.tables import CLEAN_PROBLEMS, SOLUTIONS
from ocr_pipeline.teacher.ask import Reply
from ocr_pipeline.teacher.reply import Usage
from ocr_pipeline.teacher.request import Identity, Request, request_id
from ocr_pipeline.teacher.session import Totals
from tests.evidence import root
from tests.evidence.root import SUM
from tests.generating.test_step import CONFIG, FROM_ZERO, LARGEST, LARGEST_SLOWLY, TESTS, Rows, made

VALIDATOR = """import re, sys
found = re.fullmatch(r"(\\d+)\\n(-?\\d+(?: -?\\d+)*)\\n", sys.stdin.read())
sys.exit(0 if found and int(found[1]) == len(found[2].split()) <= 20 and all(abs(int(a)) <= 50 for a in found[2].split()) else 1)
"""
GENERATOR = """import random
way, seed = input().split()
random.seed(way + seed)
n = 20 if way == "extreme" else random.randint(1, 20)
print(n)
print(*[-random.randint(1, 50) if way == "aimed" else random.randint(-50, 50) for _ in range(n)])
"""
UNREADABLE = "Input\n\nSome numbers. It is guaranteed that they are friendly.\n\nOutput\n\nThe largest of them."
Answers = Mapping[str, str]


class Teacher:
    """Answers by the role that is asked for, and remembers what it was asked."""

    def __init__(self, answers: Answers, error: str | None = None, finish_reason: str = "stop") -> None:
        """Hold the programs by role."""
        self.answers = answers
        self.error = error
        self.finish_reason = finish_reason
        self.asked: list[Request] = []

    def __call__(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Answer in order."""
        for request in requests:
            self.asked.append(request)
            code = self.answers.get(str(request.subject["role"]), "")
            yield Reply(
                request=request,
                request_id=request_id(request, Identity("m")),
                text=f"<think>\nwell\n</think>\n\n```python\n{code}```\n" if code else "I cannot.",
                model="m",
                finish_reason=self.finish_reason,
                stop_reason=None,
                usage=Usage(1, 2),
                latency_s=0.1,
                attempts=1,
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                error=self.error,
            )


def asked(folder: Path, answers: Answers, config: GeneratingConfig = CONFIG, **problem: Any) -> tuple[Any, ...]:
    """Make the tests of the problem with a teacher; return rows, counts, programs and the teacher."""
    teacher, programs = Teacher(answers), Rows()
    rows, counts = made(folder, ask=teacher, taken=programs, config=config, **problem)
    return rows, counts, {(row["role"], row["verdict"]) for row in programs.rows}, teacher


def test_a_generator_guarded_by_a_validator_mends_what_no_grammar_reads(tmp_path: Path) -> None:
    """Where the statement promises what nobody here understands, the teacher's programs make the tests."""
    answers = {"validator": VALIDATOR, "generator": GENERATOR}
    rows, _, programs, _ = asked(tmp_path, answers, statement=UNREADABLE)
    assert {row["made_by"] for row in rows} == {"model"}
    assert all(row["request_id"] for row in rows)
    assert any("s2" in row["catches"] for row in rows)
    assert programs == {("validator", "used"), ("generator", "used")}


def test_a_program_that_was_cut_off_is_not_tried(tmp_path: Path) -> None:
    """The first half of a validator accepts what the whole one refuses."""
    teacher, programs = Teacher({"validator": VALIDATOR, "generator": GENERATOR}, finish_reason="length"), Rows()
    made(tmp_path, ask=teacher, taken=programs, config=CONFIG.replaced(mutants=0, inputs_per_way=1))
    assert {(row["role"], row["verdict"], row["code"]) for row in programs.rows} == {
        ("validator", "truncated", ""),
        ("generator", "truncated", ""),
    }


def test_a_server_that_fails_does_not_cost_the_programs_of_an_earlier_run(tmp_path: Path) -> None:
    """What an earlier run paid for is used again, and stays in the table."""
    first, second = Rows(), Rows()
    answers = {"validator": VALIDATOR, "generator": GENERATOR}
    before, _ = made(tmp_path / "a", ask=Teacher(answers), taken=first, statement=UNREADABLE)
    after, _ = made(
        tmp_path / "b",
        ask=Teacher(answers, error="server_error"),
        earlier=lambda _: pa.Table.from_pylist(first.rows).to_batches(),
        taken=second,
        statement=UNREADABLE,
    )
    assert before
    assert (after, second.rows) == (before, first.rows)


def test_a_generator_of_a_problem_that_is_left_alone_has_its_row(tmp_path: Path) -> None:
    """It was paid for, so the table says that nobody tried it."""
    answers = {"validator": VALIDATOR, "generator": GENERATOR}
    rows, _, programs, _ = asked(tmp_path, answers, programs=[(LARGEST, True)])
    assert not rows
    assert ("generator", "not_tried") in programs


def test_the_same_answers_give_the_same_tests(tmp_path: Path) -> None:
    """Seeds are fixed, so the same bytes come out."""
    answers = {"validator": VALIDATOR, "generator": GENERATOR}
    first, second = (asked(tmp_path / name, answers)[0] for name in "ab")
    assert first == second


def test_an_input_that_the_validator_refuses_is_counted(tmp_path: Path) -> None:
    """A generator that breaks the bounds costs its inputs only."""
    wild = GENERATOR.replace("random.randint(1, 50)", "random.randint(1, 90)")
    rows, counts, *_ = asked(tmp_path, {"validator": VALIDATOR, "generator": wild}, statement=UNREADABLE)
    assert counts.dropped["validator"] > 0
    assert all(min(map(int, row["input"].split("\n")[1].split())) >= -50 for row in rows)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("import sys\nsys.exit(1)\n", "refuses_known"),
        ("import sys\nsys.exit(0)\n", "accepts_anything"),
        ("while True:\n    pass\n", "refuses_known"),
        ("raise ValueError\n", "refuses_known"),
        ("", "no_program"),
    ],
)
def test_a_validator_is_tried_on_known_inputs_first(code: str, verdict: str, tmp_path: Path) -> None:
    """One that refuses known inputs, accepts anything, or never ends is not believed."""
    one = CONFIG.replaced(inputs_per_way=1, mutants=0)
    _, _, programs, _ = asked(tmp_path, {"validator": code}, one, tests=TESTS[:1])
    assert ("validator", verdict) in programs


@pytest.mark.parametrize(
    "code",
    [
        "print('7 ' * (1 << 20) * 500)\n",
        "while True:\n    print('9' * 1000)\n",
        "import time\ntime.sleep(100)\n",
        "raise ValueError\n",
        "pass\n",
    ],
)
def test_a_generator_that_misbehaves_is_counted(code: str, tmp_path: Path) -> None:
    """A gigabyte, an endless loop, sleep, an error or nothing at all: a reason each, and no input."""
    few = CONFIG.replaced(inputs_per_way=1, mutants=0, inputs_per_seed=1, rounds=1, max_test_kib=64)
    _, counts, programs, _ = asked(tmp_path, {"generator": code}, few)
    assert counts.dropped["generator_fails"] == 3
    assert ("generator", "fails") in programs


def test_what_survives_goes_back_at_most_twice(tmp_path: Path) -> None:
    """A wrong program that nothing catches is shown to the teacher, with what became of its inputs."""
    same = LARGEST.replace("print(", "print((lambda value: value)(") + ")"
    never_wrong = [(LARGEST, True), (LARGEST_SLOWLY, True), (same.replace("\n)", ")\n"), False)]
    small = CONFIG.replaced(inputs_per_way=2, mutants=0, inputs_per_seed=1)
    *_, teacher = asked(tmp_path, {"generator": GENERATOR, "feedback": GENERATOR}, small, programs=never_wrong)
    told = [request for request in teacher.asked if request.subject["role"] == "feedback"]
    assert len(told) == 2
    assert "lambda value: value" in told[0].messages[0].content


def test_a_checker_makes_a_problem_with_several_answers_usable(tmp_path: Path) -> None:
    """Any number of the list is right; the checker decides, after it was tried on known outputs."""
    checker = (
        "import sys\nnumbers, _, output = (open(name).read().split() for name in sys.argv[1:])\n"
        "print(int(len(output) == 1 and output[0] in numbers[1:]))\n"
    )
    answers = {"validator": VALIDATOR, "generator": GENERATOR, "checker": checker}
    last, zero = "input()\nprint(input().split()[-1])\n", "print(0)\n"
    chosen = [(LARGEST, True), (last, True), (zero, False)]
    rows, _, programs, _ = asked(tmp_path, answers, checker="special", programs=chosen)
    assert ("checker", "used") in programs
    assert any("s2" in row["catches"] for row in rows)


@pytest.mark.parametrize(("code", "verdict"), [("print(1)\n", "accepts_anything"), ("print(0)\n", "refuses_known")])
def test_a_checker_that_cannot_tell_is_not_used(code: str, verdict: str, tmp_path: Path) -> None:
    """The problem is left alone, as without one."""
    rows, counts, programs, _ = asked(tmp_path, {"checker": code}, checker="special")
    assert rows == []
    assert ("checker", verdict) in programs
    assert counts.notes["problems left alone: needs_checker"] == 1


def test_an_account_of_a_misread_grammar_has_every_input(tmp_path: Path) -> None:
    """What the teacher's generator made, and what it failed to make, are counted beside what the grammar made."""
    fails = "n = int(input())\na = [*map(int, input().split())]\nassert a in ([1, 5, 2], [7])\nprint(max(a))\n"
    twice = [(fails, True), (fails + "#", True)]
    generator = "way, seed = input().split()\nprint(1)\nprint(int(seed) + 60 if way == 'random' else 1 // 0)\n"
    few = CONFIG.replaced(mutants=0)
    _, alone = made(tmp_path / "a", programs=twice, config=few)
    _, counts, *_ = asked(tmp_path / "b", {"generator": generator}, few, programs=twice)
    assert counts.notes["problems left alone: misread"] == 1
    assert counts.dropped["generator_fails"] == 16
    assert counts.rows_in == alone.rows_in + 24


def checker(said: str) -> str:
    """Return a checker that says what an expression of `numbers`, `answer` and `output`, lists of words, says."""
    return f"import sys\nnumbers, answer, output = (open(name).read().split() for name in sys.argv[1:])\nprint(int({said}))\n"


IN_LIST = "len(output) == 1 and output[0] in numbers[1:]"
LAST, ZERO = "input()\nprint(input().split()[-1])\n", "print(0)\n"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (IN_LIST, "used"),
        ("len(output) == 1 and output[0].lstrip('-').isdigit()", "accepts_anything"),
        ("output and output != ['no', 'output', 'at', 'all']", "accepts_anything"),
        ("output[:1] and output[0] in numbers[1:]", "accepts_anything"),
        ("len(output) == 1 and 0 <= int(output[0]) <= 50", "accepts_anything"),
        ("answer == output", "refuses_known"),
        ("1 if answer == output else 1 / 0", "refuses_known"),
    ],
    ids=["looks", "any number", "anything", "one more", "range", "compares", "crashes"],
)
def test_a_checker_is_tried_on_what_known_programs_print_and_on_spoiled_answers(
    said: str, verdict: str, tmp_path: Path
) -> None:
    """It must accept another right output, and refuse answers of other tests, spoiled ones and those of wrong programs."""
    few = CONFIG.replaced(mutants=0, inputs_per_way=1, rounds=1)
    chosen = [(LARGEST, True), (LAST, True), (ZERO, False)]
    _, _, programs, _ = asked(tmp_path, {"checker": checker(said)}, few, checker="special", programs=chosen)
    assert ("checker", verdict) in programs


def test_a_checker_that_accepts_every_wrong_program_is_not_used(tmp_path: Path) -> None:
    """What the source calls wrong is refused somewhere; a checker that never does so does not look."""
    least = "input()\nprint(min(map(int, input().split())))\n"
    chosen = [(LARGEST, True), (LARGEST_SLOWLY, True), (least, False)]
    rows, _, programs, _ = asked(tmp_path, {"checker": checker(IN_LIST)}, checker="special", programs=chosen)
    assert ("checker", "accepts_anything") in programs
    assert rows == []


@pytest.mark.parametrize("role", ["validator", "checker"])
def test_a_program_that_is_over_its_time_twice_is_given_up(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ran well on known tests and never ends on others: its row says so, and its runs are counted."""
    monkeypatch.setattr("ocr_pipeline.generating.trying.VALIDATOR_LIMITS", Limits(cpu_s=0.2, wall_s=1.0))
    monkeypatch.setattr("ocr_pipeline.judge.checkers.LIMITS", Limits(cpu_s=0.2, memory_mib=1024.0, wall_s=1.0))
    loops = {
        "validator": "import sys\ntext = sys.stdin.read()\nint(text.split()[0])\nif '0' in text: raise SystemExit(1)\nwhile '-' in text: pass\n",
        "checker": checker(IN_LIST) + "while '-' in ''.join(numbers): pass\n",
    }
    few = CONFIG.replaced(mutants=0, inputs_per_way=4, rounds=1)
    chosen = [(LARGEST, True), (LAST, True), (ZERO, False)]
    kind = "special" if role == "checker" else "tokens"
    programs_given = chosen if role == "checker" else None
    _, _, programs, _ = asked(tmp_path, {role: loops[role]}, few, checker=kind, programs=programs_given)
    assert (role, "time_limit") in programs


def test_a_teacher_that_fails_costs_nothing_else(tmp_path: Path) -> None:
    """Tests are made without its programs."""
    teacher, programs = Teacher({}, error="timeout: 3600 s"), Rows()
    rows, _ = made(tmp_path, ask=teacher, taken=programs)
    assert any("s2" in row["catches"] for row in rows)
    assert {row["verdict"] for row in programs.rows} == {"teacher_error"}
    assert FROM_ZERO not in "".join(request.messages[0].content for request in teacher.asked)


def build(folder: Path, config: GeneratingConfig) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Build the step's partition in a data root; return its tests and programs."""
    store, keys = Store(folder), {"dataset": "taco"}

    def given(model: type[Options]) -> Options:
        return config if model is GeneratingConfig else model()

    with Services(given, lambda side: folder / "_side" / side.name, print) as services:
        rows = stored_rows(GENERATE_TESTS, store, keys, lambda _: "train")
        build_unless_current(store, build_of(GENERATE_TESTS, Job(keys, rows, services, given)))
    found = [store.open(table, **keys).to_table().to_pylist() for table in GENERATE_TESTS.writes]
    return found[0], found[1]


def put_problem(folder: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Write the problem, its tests and solutions into a data root; return the tests and their partition."""
    keys = {"dataset": "taco"}
    ids = {"problem_id": SUM}
    solutions = [(LARGEST, True), (LARGEST_SLOWLY, True), (FROM_ZERO, False)]
    root.put(Store(folder), CLEAN_PROBLEMS, [root.unique(SUM) | {"statement": UNREADABLE, "checker": "tokens"}])
    made_of = [
        ids | {"solution_id": f"s{number}", "language": "python", "code": code, "is_correct": right}
        for number, (code, right) in enumerate(solutions)
    ]
    root.put(Store(folder), SOLUTIONS, made_of, keys)
    known = [ids | dict(zip(("test_id", "kind", "input", "expected"), test, strict=True)) for test in TESTS]
    root.put(Store(folder), tables.TESTS, known, keys)
    return known, keys


def test_a_default_run_keeps_what_was_paid_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests and programs of a run that asked the teacher stay when a run asks nobody, also after a known test changed."""
    teacher = Teacher({"validator": VALIDATOR, "generator": GENERATOR})
    monkeypatch.setattr(steps, "ask_teacher", lambda requests, **_: teacher(requests))
    monkeypatch.setattr(Job, "use", lambda *_: None)
    known, keys = put_problem(tmp_path)
    paid = build(tmp_path, CONFIG.replaced(by_model=True))
    asked_once = len(teacher.asked)
    assert {row["made_by"] for row in paid[0]} == {"model"}
    assert {row["verdict"] for row in paid[1]} == {"used"}
    assert build(tmp_path, CONFIG) == paid
    root.put(
        Store(tmp_path),
        tables.TESTS,
        [*known, known[-1] | {"test_id": "3", "input": "2\n4 3\n", "expected": "4\n"}],
        keys,
    )
    later = build(tmp_path, CONFIG)
    assert later[1] == paid[1]
    assert {row["made_by"] for row in later[0]} == {"model"}
    assert len(teacher.asked) == asked_once


def test_the_account_says_what_was_paid_and_what_became_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that were asked and reused, their tokens, and each program of the teacher's by its verdict."""
    teacher = Teacher({"generator": GENERATOR})

    def ask(requests: Iterable[Request], *, on_totals: Callable[[Totals], None], **_: object) -> Iterator[Reply]:
        replies = list(teacher(requests))
        on_totals(Totals(reused=3, answered=len(replies), failed=1, completion_tokens=7))
        yield from replies

    monkeypatch.setattr(steps, "ask_teacher", ask)
    monkeypatch.setattr(Job, "use", lambda *_: None)
    put_problem(tmp_path)
    build(tmp_path, CONFIG.replaced(by_model=True, mutants=0, inputs_per_way=1))
    notes = Store(tmp_path).manifest(GENERATE_TESTS.writes[0], dataset="taco").stage_counts.notes
    assert {name: notes[name] for name in ("asked", "reused", "completion_tokens")} == {
        "asked": 3,
        "reused": 3,
        "completion_tokens": 7,
    }
    assert (notes["validators no_program"], notes["generators not_tried"]) == (1, 1)


def test_an_answer_that_held_no_program_is_kept_with_its_reason(tmp_path: Path) -> None:
    """The next run that asks nobody says of every answer what the first said."""
    first, second = Rows(), Rows()
    made(tmp_path / "a", ask=Teacher({"generator": GENERATOR}), taken=first)
    made(tmp_path / "b", earlier=lambda _: pa.Table.from_pylist(first.rows).to_batches(), taken=second)
    assert ("validator", "no_program") in {(row["role"], row["verdict"]) for row in first.rows}
    assert second.rows == first.rows
