"""A benchmark: problems with tests that students are tried on. Any ingested data set can be one, whole or some days of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.store import rows_of
from ocr_pipeline.student.evaluation import Window
from ocr_pipeline.student.examine import SandboxExaminer
from ocr_pipeline.student.problems import AskedProblem, read_problems
from ocr_pipeline.student.subtasks import GraderFiles
from ocr_pipeline.tables import TESTS, IoMode, Language
from ocr_pipeline.tasks import Wording

__all__ = ["Benchmark", "read_benchmark", "told_problems"]

CALL_LINE: Final = "For example, {name}({arguments}) returns {expected}."
LONGEST_CALL_CHARACTERS: Final = 1_000
"""A longer example would be most of the prompt."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What students are asked, and what their programs are judged with; all of it is held in memory."""

    name: str
    asked: tuple[AskedProblem, ...]
    problems: tuple[pa.RecordBatch, ...]
    tests: pa.Table
    counts: StageCounts
    """Of the problems: asked, or left out because of their day or because nothing could be judged."""
    made: pa.Table | None = None
    """Made inputs, whose outputs are only compared with each other."""
    graders: Mapping[str, GraderFiles] = field(default_factory=dict)
    """By problem, where programs have no `main`."""
    executions: list[pa.Table] | None = None
    """Takes what the judge said of every test; ``None``: judging ends at the first failed one."""

    def told(self, wording: Wording, language: Language, name: str | None = None) -> Benchmark:
        """Return the same benchmark, asked in other words or for another language."""
        asked = tuple(replace(each, wording=wording, language=language) for each in self.asked)
        return replace(self, name=name or self.name, asked=asked)

    def require_callable(self, languages: Collection[Language]) -> None:
        """Make sure that the graders of these problems can call programs of the languages.

        Raises
        ------
        InputError
            When one is not C++.
        """
        others = sorted(each.value for each in languages if each is not Language.CPP)
        if others and any(each.problem_id in self.graders for each in self.asked):
            raise InputError(
                f"graders call C++ programs only, and the student is asked for {', '.join(others)}; give --language cpp"
            )

    def examiner(self, config: JudgeConfig) -> SandboxExaminer:
        """Return the judge of this benchmark."""
        return SandboxExaminer(self.problems, self.tests, config, self.made, self.graders, self.executions)


def read_benchmark(
    name: str,
    problems: Iterable[pa.RecordBatch],
    tests: Iterable[pa.RecordBatch],
    *,
    window: Window | None = None,
    split: str | None = None,
    problem_ids: Collection[str] | None = None,
    made: Iterable[pa.RecordBatch] = (),
) -> Benchmark:
    """Read the problems that have tests; with a window those of contests inside it, with a split or ids those alone.

    A function problem without starter code (MBPP) says in no other way how it is called, so its prompt shows the first
    of its tests, as EvalPlus does; that test stays among those that judge. Of ``made`` tests only the inputs are used.

    Raises
    ------
    InputError
        When no problem is left, with the reasons.
    """
    outcomes: Counter[str] = Counter()
    in_split = (_of_split(batch, split, outcomes) for batch in problems)
    wanted = [_wanted(batch, window, problem_ids, outcomes) for batch in in_split]
    ids = {problem_id for batch in wanted for problem_id in batch.column("problem_id").to_pylist()}
    known = pa.Table.from_batches(
        [_only(batch.select(TESTS.schema.names), ids) for batch in tests], schema=TESTS.schema
    )
    tested = set(known["problem_id"].to_pylist())
    outcomes["no_tests"] = len(ids - tested)
    kept = tuple(_only(batch, tested) for batch in wanted)
    calls = dict(_calls(kept, known))
    asked = tuple(_with_call(problem, calls.get(problem.problem_id)) for problem in read_problems(kept))
    dropped = {reason: count for reason, count in outcomes.items() if count}
    if not asked:
        whose = f" of `{name}`" if name else ""
        why = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in dropped.items())
        raise InputError(f"no problem{whose} is left: {why or 'none is there'}; give other problems, tests or days")
    counts = StageCounts(len(asked) + sum(dropped.values()), len(asked), dropped)
    inputs = [_only(batch.select(TESTS.schema.names), tested) for batch in made]
    return Benchmark(name, asked, kept, known, counts, pa.Table.from_batches(inputs) if inputs else None)


def told_problems(
    problems: Iterable[pa.RecordBatch], tests: Iterable[pa.RecordBatch] | None = None
) -> dict[str, AskedProblem]:
    """Return what is told of problems, by id; with tests, those that have one are asked as a benchmark of them is."""
    batches = list(problems)
    told = {each.problem_id: each for each in read_problems(batches)}
    if tests is not None:
        told |= {each.problem_id: each for each in read_benchmark("", batches, tests).asked}
    return told


def _of_split(batch: pa.RecordBatch, split: str | None, outcomes: Counter[str]) -> pa.RecordBatch:
    if split is None:
        return batch
    inside = batch.filter(pc.equal(batch.column("split"), split))
    outcomes["other_split"] += batch.num_rows - inside.num_rows
    return inside


def _wanted(
    batch: pa.RecordBatch, window: Window | None, problem_ids: Collection[str] | None, outcomes: Counter[str]
) -> pa.RecordBatch:
    named = [problem_ids is None or each in problem_ids for each in batch.column("problem_id").to_pylist()]
    inside = [window is None or window.holds(day) for day in batch.column("contest_date").to_pylist()]
    outcomes["not_named"] += named.count(False)
    outcomes["outside_window"] += sum(
        is_named and not is_inside for is_named, is_inside in zip(named, inside, strict=True)
    )
    return batch.filter(pc.and_(pa.array(named, pa.bool_()), pa.array(inside, pa.bool_())))


def _only(batch: pa.RecordBatch, problem_ids: Collection[str]) -> pa.RecordBatch:
    return batch.filter(pc.is_in(batch.column("problem_id"), pa.array(sorted(problem_ids), pa.string())))


def _calls(problems: Iterable[pa.RecordBatch], tests: pa.Table) -> Iterator[tuple[str, str]]:
    """Yield the first test of every function problem without starter code, as a call."""
    first: dict[str, dict[str, Any]] = {}
    for test in tests.select(["problem_id", "test_id", "input", "expected"]).to_pylist():
        if test["problem_id"] not in first or test["test_id"] < first[test["problem_id"]]["test_id"]:
            first[test["problem_id"]] = test
    for row in rows_of(problems):
        if row["io_mode"] == IoMode.FUNCTION and row["function_name"] and not row["starter_code"]:
            test = first[row["problem_id"]]
            call = _call(row["function_name"], test["input"], test["expected"])
            if call is not None:
                yield row["problem_id"], call


def _call(name: str, arguments: str, expected: str) -> str | None:
    if len(arguments) + len(expected) > LONGEST_CALL_CHARACTERS:
        return None
    try:
        values, result = json.loads(arguments), json.loads(expected)
    except ValueError:
        return None  # a test that is a program of asserts
    if not isinstance(values, list):
        return None
    return CALL_LINE.format(name=name, arguments=", ".join(map(repr, values)), expected=repr(result))


def _with_call(problem: AskedProblem, call: str | None) -> AskedProblem:
    if call is None:
        return problem
    return replace(problem, starter_code="\n".join(filter(None, [problem.starter_code, call])))
