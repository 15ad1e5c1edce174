"""Measures made tests on contest packages: validity of inputs, the grammar, and TPR and TNR beside the organisers' tests.

``python benchmarks/generated_tests.py FOLDER [grammar|tests|completions] [mutants=12 …]``, or ``1000 resuming`` for what a killed run
costs. The first two read ``problems``, ``tests`` and ``submissions`` (Parquet) with
the organisers' input validators. Only the examples and right submissions are used for making; wrong ones only measure.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import math
import os
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from checktestdata import InvalidError, UnknownError, validate

from ocr_pipeline.generating.grammar import refusal, unusual
from ocr_pipeline.generating.making import Maker
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.outcomes import CPU_NOTE, Outcome, Problem, Program
from ocr_pipeline.generating.understanding import understand
from ocr_pipeline.generating.working import work_on
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.programs import Limits, Runner, RunStatus, run_program
from ocr_pipeline.judge.verdicts import Candidate, JudgeConfig, ProblemSpec, Test, Verdict, judge_candidate
from ocr_pipeline.quality.mutants import mutants_of
from ocr_pipeline.quality.rates import Rate

VALID: Final = 42
"""Exit status of a validator that accepts, by the format of problem packages."""
MUTATIONS_PER_INPUT: Final = 6
TIMES_THE_SLOWEST: Final = 5.0
"""By the format of problem packages, where one names no other factor."""
SLOW: Final = "time_limit_exceeded"
Row = dict[str, Any]


def packages(folder: Path) -> Iterator[tuple[Row, list[Row], list[Row]]]:
    """Yield each problem with its tests and submissions, of either form in which packages are packed."""
    problems, tests, submissions = (
        pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("problems", "tests", "submissions")
    )
    for row in (*problems, *tests, *submissions):
        if "problem" in row:
            row["problem_id"] = row.pop("problem")
    for problem in problems:
        name = problem["problem_id"]
        flags = (problem.get("validator_flags") or "").split()
        if flags:
            problem |= {"checker": "float", "float_tolerance": float(flags[-1])}
        yield (
            problem,
            [_test_row(each) for each in tests if each["problem_id"] == name],
            [
                {"sample_id": f"{name}/{each['expected']}/{each.get('name', '')}"} | each
                for each in submissions
                if each["problem_id"] == name and each["language"] in {"python", "cpp"}
            ],
        )


def _test_row(row: Row) -> Row:
    """Return a test as the newer form has it."""
    if "output" not in row:
        return row
    kind = "example" if row["kind"] == "sample" else "private"
    return {"test_id": row["name"], "kind": kind, "input": row["input"], "expected": row["output"]}


class Validators:
    """The organisers' validators of one problem, those that can be run here."""

    def __init__(self, problem: Row, runner: Runner) -> None:
        """Take them from the problem's row."""
        given = problem.get("input_validators") or []
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


def measure_completions(data: Path, words: Sequence[str]) -> None:
    """Print which completions that are published as solved fail tests that were made with other ones.

    The tests of a function are made from its asserts and two programs: those of the first two models that are published as
    solved, with ``makers_from=1`` of the second and third, with ``makers=3`` of three. The other completions are judged by
    them; of those that fail, the first made test that refuses is shown.
    """
    given = {name: int(value) for name, _, value in (word.partition("=") for word in words)}
    most, makers, makers_from = (given.pop(*each) for each in (("problems", 60), ("makers", 2), ("makers_from", 0)))
    config, gate, told = GeneratingConfig(**given), Gate(), Counter[str]()
    by_task: dict[str, list[Row]] = {}
    for row in pq.read_table(data / "verdicts/function_completions.parquet").to_pylist():
        by_task.setdefault(row["task_id"], []).append(row)
    with Runner() as runner:
        for task, rows in sorted(by_task.items(), key=lambda each: hashlib.sha256(each[0].encode()).digest()):
            solved = list({row["solution"]: row for row in rows if row["is_solved"]}.values())
            solved = solved[makers_from:] + solved[:makers_from]
            known = calls_of(rows[0])
            if len(solved) <= makers or not known:
                told["left out: no asserts with plain values" if len(solved) > makers else "left out: few solved"] += 1
                continue
            if not most:
                break
            most -= 1
            spec = ProblemSpec(task, "function", function_name=rows[0]["entry_point"], starter_code=rows[0]["prompt"])
            right = tuple(Program(row["model"], "python", _whole(row)) for row in solved[:makers])
            problem = Problem(spec, rows[0]["prompt"], tuple(known), right, ())
            outcome = work_on(problem, config, JudgeConfig.of(config), runner, gate, _mutant_codes)
            told["problems"] += 1
            told[f"problems left alone: {outcome.left}"] += outcome.left is not None
            told["tests"] += len(outcome.tests)
            ours = [Test(f"g{place}", each.input, each.expected) for place, each in enumerate(outcome.tests)]
            for row in [*solved[makers:], *(row for row in rows if not row["is_solved"])] if ours else ():
                judging = JudgeConfig(stop_at_first_failure=True)
                done = judge_candidate(runner, spec, ours, Candidate("python", _whole(row)), judging, gate)
                label = "solved" if row["is_solved"] else "unsolved"
                told[f"{label}: {done.verdict.value}"] += 1
                if row["is_solved"] and done.verdict not in {Verdict.ACCEPTED, Verdict.NOT_RUN}:
                    test = ours[len(done.results) - 1]
                    print(
                        f"{row['model']}/{task}: {done.verdict.value} {test.input[:120]} expects {test.expected[:60]}"
                    )
                    print(f"    {(done.results[-1].detail if done.results else done.detail or '')[:160]!r}", flush=True)
    print(dict(told))


def calls_of(row: Row) -> list[Test]:
    """Return the asserts of a completion's test that compare a call of plain values with a plain value."""
    found = []
    for node in ast.walk(ast.parse(row["test"])):
        compared = node.test if isinstance(node, ast.Assert) else None
        if not isinstance(compared, ast.Compare) or not isinstance(compared.left, ast.Call) or compared.left.keywords:
            continue
        if len(compared.ops) != 1 or not isinstance(compared.ops[0], ast.Eq):
            continue
        try:
            call = [ast.literal_eval(each) for each in compared.left.args]
            result = ast.literal_eval(compared.comparators[0])
            given, expected = json.dumps(call), json.dumps([result])
        except (ValueError, TypeError):
            continue
        if json.loads(given) == call and json.loads(expected) == [result]:
            found.append(Test(f"{len(found):04}", given, expected))
    return found


def _whole(row: Row) -> str:
    only_body = row["solution"][:1] == " " and row["model"] == "reflexion"
    return str(row["prompt"] + row["solution"] if only_body else row["solution"])


def _mutant_codes(code: str, language: str, number: int, seed: int) -> list[str]:
    return [one.code for one in mutants_of(code, language, limit=number, seed=seed)]


FOLDS: Final = (
    ("largest", "max(a)", "sorted(a)[-1]", "max([0, *a])"),
    ("smallest", "min(a)", "sorted(a)[0]", "a[0]"),
    ("sum", "sum(a)", "sum(sorted(a))", "sum(set(a))"),
    ("range", "max(a) - min(a)", "sorted(a)[-1] - sorted(a)[0]", "abs(a[-1] - a[0])"),
)
"""What is asked of a list, two right ways, and a wrong one that rising lists of positive numbers let pass."""


def measure_resuming(number: int) -> None:
    """Make the tests of so many problems, kill the run in the middle, go on, and print what it cost."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        command = [
            *(
                str(Path(sys.executable).with_name("ocr-pipeline")),
                "generate-tests",
                "--json",
                "--workers=2",
                "--mutants=0",
            ),
            *("--inputs-per-way=1", "--rounds=1", "--right-programs=2", "--largest=1", "--varied=1"),
            *(f"--{name}={_varied_rows(folder, name, number)}" for name in ("problems", "tests", "solutions")),
            *(f"--out={folder / 'out'}", f"--made={folder / 'made'}"),
        ]
        start, killed = time.monotonic(), subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        while killed.poll() is None and _finished(folder) < number // 2:
            time.sleep(0.5)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        first, done = time.monotonic() - start, _finished(folder)
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        counts = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        spent, second = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
        notes = counts["notes"]
        cpu = spent.ru_utime + spent.ru_stime - before.ru_utime - before.ru_stime
        made = number - notes["problems reused"]
        print(
            f"killed after {first:.0f} s with {done} problems finished; reused {notes['problems reused']}, made {made}"
        )
        print(f"second run {second:.0f} s, {cpu:.0f} s of CPU: {1000 * cpu / made:.0f} ms a problem, without jails")
        jails = notes[CPU_NOTE]
        print(
            f"programs in jails: {jails / number:.0f} ms of CPU and {notes['runs'] / number:.0f} runs a problem, "
            f"{1_000 * notes['runs'] / jails:.0f} runs for each second of CPU; {notes['runs'] / (first + second):.0f} a second"
        )
        print(
            f"peak memory of the largest process {spent.ru_maxrss / 1024:.0f} MiB; {_finished(folder)} problems finished"
        )
        print({name: count for name, count in notes.items() if count})


def _finished(folder: Path) -> int:
    file = folder / "made" / "generated.sqlite"
    if not file.exists():
        return 0
    with contextlib.closing(sqlite3.connect(file, timeout=60)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM finished").fetchone()[0])
        except sqlite3.OperationalError:  # the table is not there yet
            return 0


def _varied_rows(folder: Path, name: str, number: int) -> Path:
    """Write problems of four kinds with bounds of their own, their two tests, or their solutions."""
    rows: list[Row] = []
    for place in range(number):
        what, *programs = FOLDS[place % len(FOLDS)]
        n, least, most = 5 + place % 40, -(place % 97), 100 + place
        if name == "problems":
            statement = (
                f"Input\n\nThe first line contains n (1 <= n <= {n}). The second line contains n integers a_1, ..., a_n "
                f"({least} <= a_i <= {most}).\n\nOutput\n\nThe {what} of them."
            )
            rows.append({"problem_id": f"p{place:05}", "statement": statement})
        elif name == "tests":
            for at, values in enumerate(([1, 2 + place % 50, 60], [5, 9])):
                expected = eval(programs[0], {"a": values})  # noqa: S307 - one of FOLDS
                rows.append(
                    {
                        "problem_id": f"p{place:05}",
                        "test_id": f"{at}",
                        "input": f"{len(values)}\n{' '.join(map(str, values))}\n",
                        "expected": f"{expected}\n",
                    }
                )
        else:
            for at, program in enumerate(programs):
                code = f"input()\na = list(map(int, input().split()))\nprint({program})\n"
                language = {"language": "python", "code": code, "is_correct": at < len(programs) - 1}
                rows.append({"problem_id": f"p{place:05}", "solution_id": f"s{at}", **language})
    path = folder / f"{name}.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


SETS: Final = ("examples", "all theirs", "examples and ours")


def measure_tests(folder: Path, words: Sequence[str]) -> None:
    """Print TPR and TNR of the examples, of all the organisers' tests, and of examples with ours."""
    given = {name: value for name, _, value in (word.partition("=") for word in words)}
    kept, only = given.pop("kept", None), set(filter(None, given.pop("only", "").split(",")))
    config = GeneratingConfig(
        python_time_factor=1.0, **{name: float(value) if "." in value else int(value) for name, value in given.items()}
    )
    lines = Path(kept).read_text().splitlines() if kept and Path(kept).exists() else []
    done = {row["problem_id"]: row for row in map(json.loads, lines)}
    measured = []
    gate = Gate()
    with Runner() as runner:
        for row, tests, submissions in packages(folder):
            name = row["problem_id"]
            if only and name.rpartition("/")[2] not in only:
                continue
            if name not in done:
                done[name] = measured_problem(row, tests, submissions, config, runner, gate)
                if kept:
                    with Path(kept).open("a") as file:
                        file.write(json.dumps(done[name]) + "\n")
            measured.append(done[name])
            _print_problem(done[name])
    _print_rates(measured)


def measured_problem(
    row: Row, tests: Sequence[Row], submissions: Sequence[Row], config: GeneratingConfig, runner: Runner, gate: Gate
) -> Row:
    """Make the tests of a problem, and judge every submission by each set of tests."""
    limit, factor = _limits(row, tests, submissions, runner, gate)
    row = row | {"time_limit_s": limit}
    config = config.replaced(python_time_factor=factor)
    start, own = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    outcome, examples = _made(row, tests, submissions, config, runner, gate)
    wall, spent = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF)
    ours = [Test(f"g{place}", each.input, each.expected) for place, each in enumerate(outcome.tests)]
    valid = Validators(row, runner).valid([each.input for each in ours])
    sets = dict(zip(SETS, (examples, [_test(each) for each in tests], [*examples, *ours]), strict=True))
    judging = JudgeConfig(stop_at_first_failure=True, python_time_factor=factor)
    verdicts: Row = {}
    for each in submissions:
        said = verdicts[each["sample_id"]] = {"expected": each["expected"]}
        for name, chosen in sets.items():
            if said.get("examples", "accepted") == "accepted":  # who fails the examples fails what holds them
                candidate = Candidate(each["language"], each["code"])
                said[name] = judge_candidate(runner, _spec(row), chosen, candidate, judging, gate).verdict.value
            else:
                said[name] = said["examples"]
    return {
        "problem_id": row["problem_id"],
        "left": outcome.left,
        "time_limit_s": limit,
        "funnel": dict(outcome.funnel),
        "notes": dict(outcome.notes),
        "verdicts": verdicts,
        "sizes": {
            name: [len(chosen), sum(len(each.input) + len(each.expected) for each in chosen)]
            for name, chosen in sets.items()
        },
        "valid": sum(each is True for each in valid),
        "checked": sum(each is not None for each in valid),
        "invalid": [each.input[:300] for each, says in zip(ours, valid, strict=True) if says is False][:3],
        "wall_s": wall,
        "cpu_s": spent.ru_utime + spent.ru_stime - own.ru_utime - own.ru_stime,
    }


def _limits(
    row: Row, tests: Sequence[Row], submissions: Sequence[Row], runner: Runner, gate: Gate
) -> tuple[float, float]:
    """Return the time limit of C++ by the rule of problem packages, and how much more Python has.

    The rule: so many times the slowest accepted program, and at least one second; here in each language for itself.
    """
    times = row.get("time_multiplier") or TIMES_THE_SLOWEST
    slowest: dict[str, float] = {}
    for each in submissions:
        if each["expected"] == "accepted":
            candidate = Candidate(each["language"], each["code"])
            done = judge_candidate(runner, _spec(row), [_test(one) for one in tests], candidate, JudgeConfig(), gate)
            if done.verdict is Verdict.ACCEPTED:
                taken = max(result.cpu_time_s or 0.0 for result in done.results)
                slowest[each["language"]] = max(taken, slowest.get(each["language"], 0.0))
    limits = {language: float(max(1, math.ceil(taken * times))) for language, taken in slowest.items()}
    usual = JudgeConfig().python_time_factor
    compiled = limits.get("cpp") or max(1.0, limits.get("python", usual) / usual)
    return compiled, limits.get("python", usual * compiled) / compiled


def _print_problem(done: Row) -> None:
    print(
        f"{done['problem_id']:40} {done['left'] or ''} limit {done['time_limit_s']:g} s, {done['wall_s']:.0f} s, "
        f"valid {done['valid']}/{done['checked']}, {done['sizes']['examples and ours'][0]} tests {done['funnel']} {done['notes']}",
        flush=True,
    )
    for text in done["invalid"]:
        print(f"    not valid: {text!r}")
    for sample, said in done["verdicts"].items():
        other = [name for name in SETS if (said[name] == "accepted") is not (said["expected"] == "accepted")]
        if other:
            print(
                f"    {sample} ({said['expected']}): not so by " + ", ".join(f"{name} ({said[name]})" for name in other)
            )


def _print_rates(measured: Sequence[Row]) -> None:
    for name in SETS:
        told: dict[str, list[bool]] = {}
        for said in (said for done in measured for said in done["verdicts"].values()):
            if said[name] in {Verdict.NOT_RUN, Verdict.COMPILE_ERROR}:
                continue
            is_right = said["expected"] == "accepted"
            agrees = (said[name] == Verdict.ACCEPTED) is is_right
            told.setdefault("TPR" if is_right else "TNR", []).append(agrees)
            if not is_right:
                told.setdefault("slow" if said["expected"] == SLOW else "wrong", []).append(agrees)
        sizes = [done["sizes"][name] for done in measured]
        rates = "  ".join(f"{which} {Rate(sum(said), len(said))}" for which, said in told.items())
        print(f"{name:20} {rates}")
        print(
            f"{'':20} {sum(count for count, _ in sizes) / len(sizes):.1f} tests and "
            f"{sum(size for _, size in sizes) / len(sizes) / 1000:.1f} kB per problem"
        )
    print(f"valid {Rate(sum(done['valid'] for done in measured), sum(done['checked'] for done in measured))}")
    runs = sum(done["notes"].get("runs", 0) for done in measured)
    wall, cpu = (sum(done[name] for done in measured) for name in ("wall_s", "cpu_s"))
    print(
        f"{len(measured)} problems, {runs} runs in {wall:.0f} s: {cpu / len(measured):.1f} s of CPU a problem beside the programs"
    )


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
        _mutant_codes,
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
        if what == "resuming":
            measure_resuming(int(sys.argv[1]))
        elif what == "completions":
            measure_completions(Path(sys.argv[1]), sys.argv[3:])
        elif what == "tests":
            measure_tests(Path(sys.argv[1]), sys.argv[3:])
        else:
            measure_grammars(Path(sys.argv[1]))
    else:
        print("give the folder of contest packages with validators")
