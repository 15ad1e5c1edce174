"""The whole of the second paper on a small scale: tiny students of every objective, beside an untrained one.

Trains on the given rows, lets each student write programs for the problems it was trained on, has them judged and
summarised. It shows that training works, not that a student is good: the problems are not new to it.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.console import progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine.processes import worker_pool
from ocr_pipeline.errors import InputError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.store import canonical_json
from ocr_pipeline.student.assess import PLAN_CURVE, AssessConfig, assess, evaluate_candidates, with_ranker_scores
from ocr_pipeline.student.benchmark import Benchmark, read_benchmark
from ocr_pipeline.student.config import Heads, Objective, TrainConfig
from ocr_pipeline.student.evaluation import Method
from ocr_pipeline.student.generation import LocalStudent, extract_code
from ocr_pipeline.student.pass_at_k import summarize
from ocr_pipeline.student.problems import AskedProblem
from ocr_pipeline.student.rows import Task, TrainingRow
from ocr_pipeline.student.taught import said_words
from ocr_pipeline.student.training import save_untrained, train
from ocr_pipeline.tables import Language
from ocr_pipeline.tasks import CHAIN_OF_THOUGHT, CODEPLAN, EXPLAINED, Wording

__all__ = ["TRIED", "Trial", "TryConfig", "explained_rows", "guided_rows", "run_trial", "summarize_trial"]

TRIED: Final = "trained_problems"
TEST_TIME_S: Final = 2.0
"""A tiny student that loops is wrong after two seconds as well as after ten."""


@dataclass(frozen=True, slots=True)
class TryConfig:
    """How the students are trained and tried."""

    train: TrainConfig
    assess: AssessConfig
    """With ``chain_of_thought`` one more student is trained that explains first."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it."""

    candidates: pa.Table
    """``student_candidates``."""
    evaluation: pa.Table
    """``student_evaluation``."""
    counts: Mapping[str, StageCounts]
    """Training rows of every student."""


@dataclass(frozen=True, slots=True)
class _Pupil:
    """One student of the trial."""

    name: str
    rows: tuple[TrainingRow, ...]
    recipe: TrainConfig
    assess: AssessConfig
    is_trained: bool = True
    wording: Wording = CODEPLAN


def run_trial(
    rows: Sequence[TrainingRow],
    problems: Iterable[pa.RecordBatch],
    tests: Iterable[pa.RecordBatch],
    *,
    config: TryConfig,
    folder: Path,
) -> Trial:
    """Train and try the students, as many at a time as there are cores; a tiny one has no use for a second thread.

    Students of other rows or another recipe are in another part of ``folder``; unfinished ones are continued.

    Raises
    ------
    InputError
        When no problem of the rows has tests, or the rows ask in other words than these students are asked in.
    """
    if said_words(rows, CODEPLAN) is None:
        message = (
            "the rows ask in other words than codeplan, as those of earlier versions do; make plan_sft_dataset again"
        )
        raise InputError(message)
    benchmark = read_benchmark(TRIED, problems, tests, problem_ids={row.problem_id for row in rows})
    pupils = list(_pupils(rows, benchmark.asked, config))
    found: dict[str, tuple[StageCounts, pa.Table]] = {}
    workers = min(len(os.sched_getaffinity(0)), len(pupils))
    with progress("training and trying", total=len(pupils), unit="students") as bar, worker_pool(workers) as pool:
        place = folder / _key(rows, config)
        waiting = {pool.submit(_try_one, pupil, benchmark, place): pupil.name for pupil in pupils}
        try:
            for done in as_completed(waiting):
                found[waiting[done]] = done.result()
                bar.advance()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # no other student is trained for nothing
            raise
    statements = {problem.problem_id: problem.statement for problem in benchmark.asked}
    tables = pa.concat_tables([found[pupil.name][1] for pupil in pupils])
    candidates = with_ranker_scores(tables, statements, config.assess.ranker)
    counts = {pupil.name: found[pupil.name][0] for pupil in pupils if pupil.is_trained}
    return Trial(candidates, evaluate_candidates(candidates), counts)


def _key(rows: Sequence[TrainingRow], config: TryConfig) -> str:
    content = [config.train.plain(), sorted((asdict(row) for row in rows), key=canonical_json)]
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:16]


def _pupils(rows: Sequence[TrainingRow], asked: Sequence[AskedProblem], config: TryConfig) -> Iterator[_Pupil]:
    """Yield the students: the longest to train first. Only those that were taught plans try plan sampling.

    All take as many steps as the plain joint one, so that more rows do not mean more training.
    """
    planned = replace(config.assess, chain_of_thought=False)
    everything, direct = tuple(rows), replace(planned, plan_sampling=None)
    guided = (*everything, *guided_rows(rows, asked))
    codes = tuple(row for row in rows if row.task is Task.CODE)
    joint = config.train.replaced(objective=Objective.JOINT)
    steps = joint.max_steps or math.ceil(joint.epochs * math.ceil(len(everything) / joint.batch_rows))
    joint = joint.replaced(max_steps=steps)
    sft = joint.replaced(objective=Objective.SFT)
    yield _Pupil("joint_guided_plan_head", guided, joint.replaced(heads=Heads.PLAN_HEAD), planned)
    yield _Pupil("joint_guided", guided, joint, planned)
    yield _Pupil("joint", everything, joint, planned)
    if config.assess.chain_of_thought:
        explained = tuple(explained_rows(rows, asked))
        yield _Pupil("chain_of_thought", explained, sft, direct, wording=CHAIN_OF_THOUGHT)
    yield _Pupil("sft", codes, sft, direct)
    yield _Pupil("untrained", everything, sft, direct, is_trained=False)


def guided_rows(rows: Iterable[TrainingRow], asked: Iterable[AskedProblem]) -> list[TrainingRow]:
    """Return a code row for every program and plan of a problem, asked as plan sampling asks.

    The paper's data holds no such row: its students meet a plan in the prompt for the first time at inference, which a
    model without pre-training cannot follow.
    """
    rows = list(rows)
    known = {(row.prompt, row.completion) for row in rows}
    made = (
        TrainingRow(
            f"{problem.problem_id}/guided/{name}", Task.CODE, problem.code_prompt(plan), code, problem.problem_id
        )
        for problem, name, plan, code in _pairs(rows, asked)
    )
    return [row for row in made if (row.prompt, row.completion) not in known]


def explained_rows(rows: Iterable[TrainingRow], asked: Iterable[AskedProblem]) -> Iterator[TrainingRow]:
    """Yield a row for every program and plan of a problem that teaches to write the plan, then the program."""
    for problem, name, plan, code in _pairs(rows, asked):
        program = extract_code(code, problem.language)
        yield TrainingRow(
            f"{problem.problem_id}/explained/{name}",
            Task.CODE,
            replace(problem, wording=CHAIN_OF_THOUGHT).code_prompt(),
            EXPLAINED.fill(plan=plan.strip(), tag=problem.language.value, code=program.strip()).strip(),
            problem.problem_id,
            language=problem.language,
            words=CHAIN_OF_THOUGHT.sha256,
        )


def _pairs(rows: Iterable[TrainingRow], asked: Iterable[AskedProblem]) -> Iterator[tuple[AskedProblem, str, str, str]]:
    """Yield every plan and program of a problem, with a name for the pair."""
    codes: dict[str, dict[str, None]] = {}
    plans: dict[str, dict[str, None]] = {}
    for row in rows:
        (plans if row.task is Task.PLAN else codes).setdefault(row.problem_id, {})[row.completion] = None
    for problem in asked:
        for i, plan in enumerate(plans.get(problem.problem_id, ())):
            for j, code in enumerate(codes.get(problem.problem_id, ())):
                yield problem, f"{i}/{j}", plan, code


def _try_one(pupil: _Pupil, benchmark: Benchmark, folder: Path) -> tuple[StageCounts, pa.Table]:
    """Train one student and have its programs judged, in a process of its own."""
    place = folder / pupil.name
    counts = StageCounts(rows_in=0, kept=0)
    if pupil.is_trained:
        counts = train(pupil.rows, pupil.recipe, place, wording=pupil.wording).counts
    else:
        save_untrained(pupil.rows, pupil.recipe, place)
    examiner = benchmark.examiner(JudgeConfig(default_time_limit_s=TEST_TIME_S, python_time_factor=1.0))
    asked = benchmark.told(pupil.wording, Language.PYTHON).asked
    return counts, assess(asked, LocalStudent(place), examiner, pupil.assess)


def summarize_trial(evaluation: pa.Table, ks: Sequence[int], *, by_difficulty: bool = False) -> pa.Table:
    """Return ``evaluation_summary``: pass@k of what was sampled, and pass@1 of what was selected among it."""
    drawn = {Method.DIRECT.value, Method.PLAN_SAMPLING.value, Method.CHAIN_OF_THOUGHT.value}
    methods = evaluation["method"].to_pylist()
    sampled = pa.array([method in drawn or method.startswith(PLAN_CURVE) for method in methods], pa.bool_())
    selected = evaluation.filter(pc.invert(sampled))
    return pa.concat_tables(
        summarize(part, ks_of_part, by_difficulty=by_difficulty)
        for part, ks_of_part in ((evaluation.filter(sampled), ks), (selected, [1]))
    )
