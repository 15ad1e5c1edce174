"""Measures made tests on contest packages: validity of inputs, the grammar, and TPR and TNR beside the organisers' tests.

``python benchmarks/generated_tests.py FOLDER [grammar|tests] [mutants=12 …]`` reads ``problems``, ``tests`` and ``submissions`` (Parquet) with
the organisers' input validators. Only the examples and right submissions are used for making; wrong ones only measure.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from checktestdata import InvalidError, UnknownError, validate

from ocr_pipeline.generating.grammar import refusal, unusual
from ocr_pipeline.generating.making import Maker
from ocr_pipeline.generating.naming import understand
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.working import Outcome, Problem, Program, work_on
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.programs import Limits, Runner, RunStatus, run_program
from ocr_pipeline.judge.verdicts import Candidate, JudgeConfig, ProblemSpec, Test, Verdict, judge_candidate
from ocr_pipeline.quality.mutants import mutants_of
from ocr_pipeline.quality.rates import Rate

VALID: Final = 42
"""Exit status of a validator that accepts, by the format of problem packages."""
MUTATIONS_PER_INPUT: Final = 6
Row = dict[str, Any]


def packages(folder: Path) -> Iterator[tuple[Row, list[Row], list[Row]]]:
    """Yield each problem with its tests and submissions."""
    problems, tests, submissions = (
        pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("problems", "tests", "submissions")
    )
    for problem in problems:
        name = problem["problem_id"]
        yield (
            problem,
            [each for each in tests if each["problem_id"] == name],
            [each for each in submissions if each["problem_id"] == name and each["language"] in {"python", "cpp"}],
        )


class Validators:
    """The organisers' validators of one problem, those that can be run here."""

    def __init__(self, problem: Row, runner: Runner) -> None:
        """Take them from the problem's row."""
        given = problem["input_validators"]
        listed = json.loads(given) if isinstance(given, str) else given
        headers = {Path(each["name"]).name: each["code"] for each in listed if each["language"] == "cpp-header"}
        self._runner = runner
        self.written = [each["code"] for each in listed if each["language"] == "checktestdata"]
        self.programs = [
            (each["language"], _with_headers(each["code"], headers))
            for each in listed
            if each["language"] in {"cpp", "python"}
        ]

    def valid(self, inputs: Sequence[str]) -> list[bool | None]:
        """Say of each input whether all of them accept it; ``None`` where none could say."""
        said: list[list[bool]] = [[] for _ in inputs]
        for code in self.written:
            for place, text in enumerate(inputs):
                try:
                    validate(code, text)
                    said[place].append(True)
                except InvalidError:
                    said[place].append(False)
                except (UnknownError, ArithmeticError, TypeError, RecursionError):
                    continue
        for language, code in self.programs:
            done = run_program(code, language, list(inputs), Limits(10.0, 512.0), runner=self._runner)
            for place, run in enumerate(done):
                if run.status in {RunStatus.OK, RunStatus.RUNTIME_ERROR}:
                    said[place].append(run.exit_code == VALID)
        return [all(each) if each else None for each in said]


def _with_headers(code: str, headers: dict[str, str]) -> str:
    for name, text in headers.items():
        code = re.sub(rf'#include\s*[<"]{re.escape(name)}[>"]', lambda _, text=text: text, code)
    return code


def mutated(text: str, rng: random.Random) -> str:
    """Change one thing of an input: a character, a value, a line, white space."""
    lines = text.split("\n")
    row = rng.randrange(max(1, len(lines) - 1))
    words = lines[row].split(" ")
    at = rng.randrange(len(words))
    ways = [
        lambda: "\n".join([*lines[:row], *lines[row + 1 :]]),
        lambda: "\n".join([*lines[:row], lines[row], *lines[row:]]),
        lambda: _put(lines, row, " ".join([*words[:at], *words[at + 1 :]])),
        lambda: _put(lines, row, " ".join([*words[:at], words[at], *words[at:]])),
        lambda: _put(lines, row, " ".join([*words[:at], f" {words[at]}", *words[at + 1 :]])),
        lambda: _put(lines, row, lines[row] + " "),
        lambda: _put(lines, row, " ".join([*words[:at], f"0{words[at]}", *words[at + 1 :]])),
        lambda: _put(lines, row, " ".join([*words[:at], f"-{words[at]}", *words[at + 1 :]])),
        lambda: _put(lines, row, " ".join([*words[:at], f"{words[at]}0000000", *words[at + 1 :]])),
        lambda: _put(
            lines,
            row,
            " ".join([*words[:at], rng.choice(("x", "0", "-1", "999999999999", "A", "#")), *words[at + 1 :]]),
        ),
        lambda: text.rstrip("\n"),
        lambda: text + "\n",
        lambda: text + "1\n",
    ]
    return rng.choice(ways)()


def _put(lines: Sequence[str], row: int, line: str) -> str:
    return "\n".join([*lines[:row], line, *lines[row + 1 :]])


def measure_grammars(folder: Path) -> None:
    """Print how grammars that are found from the examples agree with the organisers' validators."""
    total: Counter[str] = Counter()
    with Runner() as runner:
        for problem, tests, _ in packages(folder):
            examples = [each["input"] for each in tests if each["kind"] == "example"]
            start = time.process_time()
            understood = understand(problem["statement"], examples)
            spent = time.process_time() - start
            total["problems"] += 1
            if understood is None:
                print(f"{problem['problem_id']:40} no grammar")
                continue
            rng = random.Random(problem["problem_id"])  # noqa: S311 - reproducible
            inputs = [each["input"] for each in tests]
            accepted = sum(refusal(understood.grammar, text) is None for text in inputs)
            small = [text for text in inputs if len(text) < 4_000]
            changed = sorted({mutated(text, rng) for text in small for _ in range(MUTATIONS_PER_INPUT)} - set(inputs))
            validators = Validators(problem, runner)
            wrong = [
                text for text, is_valid in zip(changed, validators.valid(changed), strict=True) if is_valid is False
            ]
            refused = sum(refusal(understood.grammar, text) is not None for text in wrong)
            maker = Maker(understood.grammar, examples, problem["problem_id"], 64 << 10)
            made = [each.text for each in maker.inputs(0, 40) if unusual(understood.grammar, each.text) is None]
            valid = validators.valid(made)
            row = Counter(
                grammars=1,
                frozen=int(not maker.is_free),
                accepted=accepted,
                inputs=len(inputs),
                refused=refused,
                wrong=len(wrong),
                valid=sum(each is True for each in valid),
                made=sum(each is not None for each in valid),
            )
            total += row
            print(
                f"{problem['problem_id']:40} accepts {accepted}/{len(inputs)}  refuses {refused}/{len(wrong)}  "
                f"valid {row['valid']}/{row['made']}  {spent:.2f} s{'  promises' if not maker.is_free else ''}"
            )
    print(dict(total))


def measure_tests(folder: Path) -> None:
    """Print TPR and TNR of the examples, of all the organisers' tests, and of examples with ours."""
    few = {name: int(value) for name, _, value in (word.partition("=") for word in sys.argv[3:])}
    config, judging = GeneratingConfig(**few), JudgeConfig(stop_at_first_failure=True)
    total: Counter[tuple[str, str]] = Counter()
    gate = Gate()
    with Runner() as runner:
        for row, tests, submissions in packages(folder):
            outcome, examples = _made(row, tests, submissions, config, runner, gate)
            ours = [Test(f"g{place}", each.input, each.expected) for place, each in enumerate(outcome.tests)]
            valid = Validators(row, runner).valid([each.input for each in ours])
            total["ours", "valid"] += sum(each is True for each in valid)
            total["ours", "checked"] += sum(each is not None for each in valid)
            sets = {
                "examples": examples,
                "all theirs": [_test(each) for each in tests],
                "examples and ours": [*examples, *ours],
            }
            told = []
            for name, chosen in sets.items():
                total[name, "tests"] += len(chosen)
                total[name, "bytes"] += sum(len(each.input) + len(each.expected) for each in chosen)
                for each in submissions:
                    done = judge_candidate(
                        runner, _spec(row), chosen, Candidate(each["language"], each["code"]), judging, gate
                    )
                    if done.verdict in {Verdict.NOT_RUN, Verdict.COMPILE_ERROR}:
                        continue
                    is_right = each["expected"] == "accepted"
                    is_agreed = (done.verdict is Verdict.ACCEPTED) is is_right
                    total[name, f"right {is_right}"] += 1
                    total[name, f"agreed {is_right}"] += is_agreed
                    told += (
                        [] if is_agreed else [f"{name}: {each['sample_id']} {each['expected']} {done.verdict.value}"]
                    )
            print(
                f"{row['problem_id']:40} {outcome.left or ''} {len(ours)} tests {dict(outcome.funnel)} {dict(outcome.notes)}",
                flush=True,
            )
            for line in told:
                print(f"    {line}")
    for name in ("examples", "all theirs", "examples and ours"):
        tpr, tnr = (Rate(total[name, f"agreed {side}"], total[name, f"right {side}"]) for side in (True, False))
        print(f"{name:20} TPR {tpr}  TNR {tnr}  tests {total[name, 'tests']}  bytes {total[name, 'bytes']}")
    print(f"valid {Rate(total['ours', 'valid'], total['ours', 'checked'])}")


def _made(
    row: Row, tests: Sequence[Row], submissions: Sequence[Row], config: GeneratingConfig, runner: Runner, gate: Gate
) -> tuple[Outcome, list[Test]]:
    examples = [_test(each) for each in tests if each["kind"] == "example"]
    right = tuple(
        Program(each["sample_id"], each["language"], each["code"])
        for each in submissions
        if each["expected"] == "accepted"
    )
    problem = Problem(_spec(row), row["statement"], tuple(examples), right, ())
    outcome = work_on(
        problem,
        config,
        JudgeConfig.of(config),
        runner,
        gate,
        lambda code, language, number, seed: [one.code for one in mutants_of(code, language, limit=number, seed=seed)],
    )
    return outcome, examples


def _spec(row: Row) -> ProblemSpec:
    given = {name: row[name] for name in ProblemSpec.__dataclass_fields__ if row.get(name) not in (None, "")}
    return ProblemSpec(**given)


def _test(row: Row) -> Test:
    return Test(row["test_id"], row["input"], row["expected"])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        what = sys.argv[2] if len(sys.argv) > 2 else "grammar"
        (measure_tests if what == "tests" else measure_grammars)(Path(sys.argv[1]))
    else:
        print("give the folder of contest packages with validators")
