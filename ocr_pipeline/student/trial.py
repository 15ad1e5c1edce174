"""The whole of the second paper on a small scale: tiny students of every objective, beside an untrained one.

Trains on the given rows, lets each student write programs for the problems it was trained on, has them judged and
summarised. It shows that training works, not that a student is good: the problems are not new to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.console import progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.student.assess import AssessConfig, assess, evaluate_candidates, with_ranker_scores
from ocr_pipeline.student.config import Heads, Objective, TrainConfig
from ocr_pipeline.student.evaluation import Method
from ocr_pipeline.student.examine import SandboxExaminer
from ocr_pipeline.student.generation import LocalStudent, Sampling
from ocr_pipeline.student.pass_at_k import summarize
from ocr_pipeline.student.plan_sampling import PlanSamplingConfig
from ocr_pipeline.student.rows import Task, TrainingRow
from ocr_pipeline.student.sampling import AskedProblem, read_problems
from ocr_pipeline.student.training import save_untrained, train
from ocr_pipeline.tables import TESTS

__all__ = ["Trial", "TryConfig", "run_trial", "summarize_trial"]

BENCHMARK: Final = "trained_problems"
UNTRAINED: Final = "untrained"
LONGEST_ANSWER_TOKENS: Final = 256
TEST_TIME_S: Final = 2.0
"""A tiny student that loops is wrong after two seconds as well as after ten."""


@dataclass(frozen=True, slots=True)
class TryConfig:
    """How the students are trained and tried."""

    train: TrainConfig
    n: int = 5
    plans: int = 2
    """Plans per problem; 0 leaves plan sampling out."""
    codes_per_plan: int = 2
    temperature: float = 0.6
    seed: int = 0
    with_plan_head: bool = False
    """Also train one with a plan head: as long again as the joint one."""

    def students(self) -> Mapping[str, TrainConfig]:
        """Return the recipe of every student, by name."""
        joint = replace(self.train, objective=Objective.JOINT)
        students = {"sft": replace(self.train, objective=Objective.SFT), "joint": joint}
        return students | ({"joint_plan_head": replace(joint, heads=Heads.PLAN_HEAD)} if self.with_plan_head else {})

    @property
    def assess(self) -> AssessConfig:
        """How each of them is tried."""
        sampling = Sampling(temperature=self.temperature, max_tokens=LONGEST_ANSWER_TOKENS, seed=self.seed)
        planned = PlanSamplingConfig(max(self.plans, 1), self.codes_per_plan, self.n, sampling)
        return AssessConfig(BENCHMARK, self.n, sampling, planned if self.plans else None)


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it."""

    candidates: pa.Table
    """``student_candidates``."""
    evaluation: pa.Table
    """``student_evaluation``."""
    counts: Mapping[str, StageCounts]
    """Training rows of every student."""


def run_trial(
    rows: Sequence[TrainingRow],
    problems: Sequence[pa.RecordBatch],
    tests: Sequence[pa.RecordBatch],
    *,
    config: TryConfig,
    folder: Path,
) -> Trial:
    """Train and try the students; the sft one learns the code rows alone.

    Raises
    ------
    InputError
        When no problem of the rows has tests.
    """
    asked = _asked(rows, problems, tests)
    examiner = _examiner({problem.problem_id for problem in asked}, problems, tests)
    save_untrained(rows, config.train, folder / UNTRAINED)
    counts = {}
    for name, recipe in config.students().items():
        taught = [row for row in rows if recipe.objective is Objective.JOINT or row.task is Task.CODE]
        with progress(f"training {name}", unit="steps") as bar:
            counts[name] = train(taught, recipe, folder / name, progress=bar).counts
    tables = []
    with progress("trying", total=len(counts) + 1, unit="students") as bar:
        for name in (UNTRAINED, *counts):
            plan_sampling = None if name in {UNTRAINED, "sft"} else config.assess.plan_sampling
            one = replace(config.assess, plan_sampling=plan_sampling)  # only these were taught to plan
            tables.append(assess(asked, LocalStudent(folder / name), examiner, one))
            bar.advance()
    statements = {problem.problem_id: problem.statement for problem in asked}
    candidates = with_ranker_scores(pa.concat_tables(tables), statements, seed=config.seed)
    return Trial(candidates, evaluate_candidates(candidates), counts)


def summarize_trial(evaluation: pa.Table, ks: Sequence[int]) -> pa.Table:
    """Return ``evaluation_summary``: pass@k of what was sampled, and pass@1 of what was selected among it."""
    sampled = pc.is_in(evaluation["method"], pa.array([Method.DIRECT.value, Method.PLAN_SAMPLING.value]))
    selected = evaluation.filter(pc.invert(sampled))
    return pa.concat_tables([summarize(evaluation.filter(sampled), ks), summarize(selected, [1])])


def _asked(
    rows: Sequence[TrainingRow], problems: Sequence[pa.RecordBatch], tests: Sequence[pa.RecordBatch]
) -> list[AskedProblem]:
    tested = {problem_id for batch in tests for problem_id in batch.column("problem_id").to_pylist()}
    taught = {row.problem_id for row in rows}
    asked = [each for each in read_problems(problems) if each.problem_id in tested & taught]
    if not asked:
        raise InputError(f"none of the {len(taught)} problems of the rows has both a statement and tests")
    return asked


def _examiner(
    problem_ids: set[str], problems: Sequence[pa.RecordBatch], tests: Sequence[pa.RecordBatch]
) -> SandboxExaminer:
    return SandboxExaminer(
        problems=list(_only(problems, problem_ids)),
        tests=pa.Table.from_batches(_only(tests, problem_ids), schema=TESTS.schema),
        config=JudgeConfig(default_time_limit_s=TEST_TIME_S, time_factor={"python": 1.0}),
    )


def _only(batches: Sequence[pa.RecordBatch], problem_ids: set[str]) -> Iterator[pa.RecordBatch]:
    wanted = pa.array(sorted(problem_ids), pa.string())
    for batch in batches:
        yield batch.filter(pc.is_in(batch.column("problem_id"), wanted))
