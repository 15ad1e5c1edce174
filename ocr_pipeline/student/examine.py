"""Candidates before the judge: how they do on the example tests, and their verdict on all tests.

A candidate without a program is wrong, not unscored: the student answered, and the answer is not a program.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.judge import JudgeConfig, Runner, RunResult, RunStatus, judge
from ocr_pipeline.judge.verdicts import ProblemSpec
from ocr_pipeline.student.plan_sampling import ExampleScore
from ocr_pipeline.student.sampling import Candidate, judge_rows
from ocr_pipeline.student.subtasks import GraderFiles
from ocr_pipeline.tables import TestKind

__all__ = ["Examiner", "SandboxExaminer"]

EXAMPLE_KINDS: Final = (TestKind.EXAMPLE.value, TestKind.PUBLIC.value)
SPEC_COLUMNS: Final = tuple(ProblemSpec.__dataclass_fields__)


class Examiner(Protocol):
    """Runs candidates; tests bring one without a sandbox."""

    def examples(self, candidates: Sequence[Candidate]) -> Mapping[str, ExampleScore]:
        """Return how each did on the example tests, by sample id."""

    def verdicts(self, candidates: Sequence[Candidate]) -> Mapping[str, str]:
        """Return the verdict on all tests, by sample id."""


@dataclass
class _Rows:
    """Keeps what the judge writes."""

    tables: list[pa.Table] = field(default_factory=list)

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        self.tables.append(pa.table(rows) if isinstance(rows, pa.RecordBatch) else rows)

    def records(self) -> Iterator[dict[str, Any]]:
        for table in self.tables:
            yield from table.select(["sample_id", "verdict", "tests_passed", "tests_total"]).to_pylist()


@dataclass(frozen=True)
class SandboxExaminer:
    """Runs candidates of a benchmark in the judge's sandbox; holds the benchmark's tests in memory."""

    problems: Sequence[pa.RecordBatch]
    tests: pa.Table
    config: JudgeConfig = field(default_factory=JudgeConfig)
    made: pa.Table | None = None
    """Inputs whose right output nobody has to know: more to agree on than the examples."""
    graders: Mapping[str, GraderFiles] = field(default_factory=dict)
    """By problem, what calls the functions of programs that have no `main`."""
    executions: list[pa.Table] | None = None
    """Takes the judge's row of every candidate, with all tests; ``None``: judging ends at the first failed one."""

    def examples(self, candidates: Sequence[Candidate]) -> Mapping[str, ExampleScore]:
        """Return how each did on the example tests; equal programs are run once."""
        tests = self.tests.filter(pc.is_in(self.tests["kind"], pa.array(EXAMPLE_KINDS)))
        first, representative = _distinct(candidates)
        judged = {row["sample_id"]: row for row in self._judged(first, tests, stop_at_first_failure=False)}
        outputs = self._outputs(first, tests if self.made is None else pa.concat_tables([tests, self.made]))
        scores = {
            each.sample_id: ExampleScore(
                judged[each.sample_id]["tests_passed"], judged[each.sample_id]["tests_total"], outputs[each.sample_id]
            )
            for each in first
        }
        return {each.sample_id: scores[representative[each.sample_id]] for each in candidates}

    def verdicts(self, candidates: Sequence[Candidate]) -> Mapping[str, str]:
        """Return the verdict on all tests; equal programs are judged once."""
        first, representative = _distinct(candidates)
        tables: list[pa.Table] = []
        rows = self._judged(first, self.tests, stop_at_first_failure=self.executions is None, keep=tables)
        if self.executions is not None and candidates:
            self.executions.append(_for_all(pa.concat_tables(tables), representative))
        verdicts = {row["sample_id"]: row["verdict"] for row in rows}
        return {each.sample_id: verdicts[representative[each.sample_id]] for each in candidates}

    def _judged(
        self,
        candidates: Sequence[Candidate],
        tests: pa.Table,
        *,
        stop_at_first_failure: bool,
        keep: list[pa.Table] | None = None,
    ) -> list[dict[str, Any]]:
        rows = _Rows()
        judge(
            [self._graded(batch) for batch in self.problems],
            _TestsOf(tests),
            judge_rows([self._with_headers(each) for each in candidates]).to_batches(),
            config=self.config.replaced(stop_at_first_failure=stop_at_first_failure),
            writer=rows,
        )
        if keep is not None:
            keep += rows.tables
        without = {each.sample_id for each in candidates if not each.code.strip()}
        return [
            row | {"verdict": RunStatus.COMPILE_ERROR.value} if row["sample_id"] in without else row
            for row in rows.records()
        ]

    def _with_headers(self, candidate: Candidate) -> Candidate:
        grader = self.graders.get(candidate.problem_id)
        if grader is None or not candidate.code.strip():
            return candidate
        return replace(candidate, code=grader.program(candidate.code))

    def _graded(self, problems: pa.RecordBatch) -> pa.RecordBatch:
        """Return the problems with their graders, for which ``problems`` has no column."""
        if not self.graders:
            return problems
        found = [self.graders.get(problem_id) for problem_id in problems.column("problem_id").to_pylist()]
        codes = pa.array([each and each.code for each in found], pa.string())
        names = pa.array([each and " ".join(each.names) for each in found], pa.string())
        return problems.append_column("grader_code", codes).append_column("grader_names", names)

    def _outputs(self, candidates: Sequence[Candidate], tests: pa.Table) -> dict[str, str | None]:
        """Return a hash of what each printed on the inputs; ``None`` when it failed on one, or there is none."""
        specs = {spec.problem_id: spec for batch in self.problems for spec in _specs(self._graded(batch))}
        inputs: dict[str, list[str]] = {}
        for problem_id, text in zip(tests["problem_id"].to_pylist(), tests["input"].to_pylist(), strict=True):
            inputs.setdefault(problem_id, []).append(text)
        with Runner(self.config.tiers) as runner:
            return {
                each.sample_id: self._printed(
                    runner, specs[each.problem_id], self._with_headers(each), inputs.get(each.problem_id, [])
                )
                for each in candidates
            }

    def _printed(self, runner: Runner, spec: ProblemSpec, candidate: Candidate, inputs: Sequence[str]) -> str | None:
        if not inputs:
            return None
        limits = self.config.limits_for(spec, candidate.language)
        call = spec.call
        program = runner.open(candidate.code, candidate.language, limits, call, grader=spec.grader)
        if isinstance(program, RunResult):
            return None
        printed = hashlib.sha256()
        with program:
            for text in inputs:
                run = program.run(text.encode("utf-8", "surrogatepass"), limits)
                if run.status is not RunStatus.OK:
                    return None
                printed.update(b" ".join((run.stdout if call is None else run.result).split()) + b"\0")
        return printed.hexdigest()


@dataclass(frozen=True)
class _TestsOf:
    tests: pa.Table

    def __call__(self, problem_ids: Collection[str]) -> Iterable[pa.RecordBatch]:
        wanted = pc.is_in(self.tests["problem_id"], pa.array(sorted(problem_ids), pa.string()))
        return self.tests.filter(wanted).to_batches()  # type: ignore[no-any-return]


def _specs(batch: pa.RecordBatch) -> Iterator[ProblemSpec]:
    names = [name for name in SPEC_COLUMNS if name in batch.schema.names]
    for row in batch.select(names).to_pylist():
        yield ProblemSpec(**{name: value for name, value in row.items() if value not in (None, "")})


def _for_all(rows: pa.Table, representative: Mapping[str, str]) -> pa.Table:
    """Give every candidate the row of the program that was run for it."""
    place = {sample_id: index for index, sample_id in enumerate(rows["sample_id"].to_pylist())}
    taken = rows.take(pa.array([place[first] for first in representative.values()], pa.int64()))
    position = rows.schema.get_field_index("sample_id")
    return taken.set_column(
        position, rows.schema.field(position), pa.array(list(representative), rows.schema.field(position).type)
    )


def _distinct(candidates: Sequence[Candidate]) -> tuple[list[Candidate], dict[str, str]]:
    """Return the first candidate of each problem and program, and for every candidate the id of its first."""
    first: dict[tuple[str, str, str], Candidate] = {}
    keys = {each.sample_id: (each.problem_id, each.language, each.code) for each in candidates}
    for each in candidates:
        first.setdefault(keys[each.sample_id], each)
    return list(first.values()), {sample_id: first[key].sample_id for sample_id, key in keys.items()}
