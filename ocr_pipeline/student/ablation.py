"""The ablations of the papers in one run: students of equal training on parts of one pool, compared problem by problem.

Every arm is trained from the same start for the same steps, with one or more training seeds, and tried on the same problems.
A difference is paired: its standard error has the problem as the unit, after the mean over seeds. What the arms are is
in ``arms``.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.engine.processes import worker_pool
from ocr_pipeline.errors import InputError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.plots import Interval, interval_plot
from ocr_pipeline.student.arms import CONTRASTS, Arm
from ocr_pipeline.student.assess import AssessConfig, evaluate_candidates, try_in_languages
from ocr_pipeline.student.benchmark import Benchmark
from ocr_pipeline.student.config import TrainConfig
from ocr_pipeline.student.evaluation import Method
from ocr_pipeline.student.generation import LocalStudent
from ocr_pipeline.student.pass_at_k import estimate, mean_and_standard_error, pass_at_k
from ocr_pipeline.student.rows import TrainingRow
from ocr_pipeline.student.training import train
from ocr_pipeline.tables import ABLATION, Language
from ocr_pipeline.tasks import Wording

__all__ = ["Ablation", "AblationConfig", "ablation_plot", "ablation_text", "compare_arms", "run_ablation"]


@dataclass(frozen=True, slots=True)
class AblationConfig:
    """How every arm is trained and tried."""

    train: TrainConfig
    wording: Wording
    assess: AssessConfig
    languages: tuple[Language, ...]
    judge: JudgeConfig
    ks: tuple[int, ...] = (1,)
    training_seeds: int = 1


@dataclass(frozen=True, slots=True)
class Ablation:
    """What came of it."""

    candidates: pa.Table
    """``student_candidates``: students are named ``<arm>/<seed>``."""
    evaluation: pa.Table
    """``student_evaluation``."""
    table: pa.Table
    """``ablation``."""


@dataclass(frozen=True, slots=True)
class _Run:
    arm: str
    seed: int
    rows: tuple[TrainingRow, ...]
    folder: Path


def run_ablation(
    arms: Mapping[str, Sequence[TrainingRow]],
    benchmark: Benchmark,
    config: AblationConfig,
    folder: Path,
    *,
    progress: Progress = SILENT,
) -> Ablation:
    """Train and try every arm; what was finished before is taken as it is, tiny students work one per core."""
    runs = [
        _Run(arm, config.train.seed + offset, tuple(rows), folder / f"{arm}-{config.train.seed + offset}")
        for arm, rows in arms.items()
        for offset in range(config.training_seeds)
    ]
    found: dict[tuple[str, int], pa.Table] = {}
    workers = min(len(os.sched_getaffinity(0)), len(runs)) if config.train.base_model is None else 1
    with worker_pool(workers) as pool:
        waiting = {pool.submit(_try_arm, one, benchmark, config): (one.arm, one.seed) for one in runs}
        try:
            for done in as_completed(waiting):
                found[waiting[done]] = done.result()
                progress.advance(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # no other student is trained for nothing
            raise
    candidates = pa.concat_tables([found[one.arm, one.seed] for one in runs])
    evaluation = evaluate_candidates(candidates)
    sizes = {arm: len(rows) for arm, rows in arms.items()}
    return Ablation(candidates, evaluation, compare_arms(evaluation, sizes, config.ks))


def _try_arm(run: _Run, benchmark: Benchmark, config: AblationConfig) -> pa.Table:
    """Train one student and have its programs judged, in a process of its own."""
    recipe = config.train.replaced(seed=run.seed)
    if not recipe.packing and recipe.max_steps is None:  # the same steps for all, whatever is over-length
        together = recipe.batch_rows * recipe.micro_steps(1)
        recipe = recipe.replaced(max_steps=math.ceil(recipe.epochs * math.ceil(len(run.rows) / together)))
    train(run.rows, recipe, run.folder, wording=config.wording)
    student = LocalStudent(run.folder, name=f"{run.arm}/{run.seed}")
    return try_in_languages(benchmark, student, config.languages, config.assess, config.judge)


def compare_arms(evaluation: pa.Table, sizes: Mapping[str, int], ks: Sequence[int]) -> pa.Table:
    """Return ``ablation``: every arm on its own, then every pair that the papers compare, and named arms with all.

    Parameters
    ----------
    evaluation
        ``student_evaluation`` of students that are named ``<arm>/<seed>``.
    sizes
        Training rows of every arm, in the order of the table.
    ks
        The k of pass@k.
    """
    direct = evaluation.filter(pc.equal(evaluation["method"], Method.DIRECT.value))
    counts: dict[tuple[str, str], dict[str, dict[str, tuple[int, int]]]] = defaultdict(lambda: defaultdict(dict))
    for row in direct.to_pylist():
        arm, _, seed = row["student"].rpartition("/")
        counts[arm, row["benchmark"]][seed][row["problem_id"]] = (row["n"], row["correct"])
    records = []
    for benchmark in sorted({name for _, name in counts}):
        for k in sorted(set(ks)):
            scores = {arm: _Scores.of(counts[arm, benchmark], k) for arm in sizes if (arm, benchmark) in counts}
            head = {"benchmark": benchmark, "k": k}
            records += [head | _alone(arm, score, sizes) for arm, score in scores.items()]
            for left, right in _contrasts(sizes):
                if left in scores and right in scores:
                    records.append(head | _against(left, right, scores, sizes))
    return pa.Table.from_pylist(records, schema=ABLATION.schema)


@dataclass(frozen=True, slots=True)
class _Scores:
    """pass@k of one arm: by problem, as the mean over its seeds, and by seed, as the mean over problems."""

    by_problem: Mapping[str, float]
    by_seed: Mapping[str, float]

    @staticmethod
    def of(counts: Mapping[str, Mapping[str, tuple[int, int]]], k: int) -> _Scores:
        values: dict[str, list[float]] = defaultdict(list)
        seeds: dict[str, list[float]] = defaultdict(list)
        for seed, problems in counts.items():
            for problem, (n, correct) in problems.items():
                if n >= k:
                    values[problem].append(float(pass_at_k(n, correct, k)))
                    seeds[seed].append(values[problem][-1])
        if not values:
            raise InputError(f"no problem has {k} judged samples; raise --n or lower --k")
        return _Scores(
            {problem: math.fsum(found) / len(found) for problem, found in sorted(values.items())},
            {seed: math.fsum(found) / len(found) for seed, found in sorted(seeds.items())},
        )


def _contrasts(sizes: Mapping[str, int]) -> list[tuple[str, str]]:
    named = [arm for arm in sizes if arm not in set(Arm)]
    pairs = [(left.value, right.value) for left, right in CONTRASTS]
    pairs += [(arm, Arm.ALL.value) for arm in named]
    return pairs + [(left, right) for index, left in enumerate(named) for right in named[:index]]


def _alone(arm: str, scores: _Scores, sizes: Mapping[str, int]) -> dict[str, Any]:
    mean, error = estimate(list(scores.by_problem.values()))
    return _record(arm, None, mean, error, len(scores.by_problem), list(scores.by_seed.values()), sizes)


def _against(left: str, right: str, scores: Mapping[str, _Scores], sizes: Mapping[str, int]) -> dict[str, Any]:
    ours, theirs = scores[left], scores[right]
    shared = sorted(ours.by_problem.keys() & theirs.by_problem.keys())
    if not shared:
        raise InputError(f"the arms {left} and {right} share no judged problem")
    mean, error = mean_and_standard_error([ours.by_problem[each] - theirs.by_problem[each] for each in shared])
    if error == 0:  # two students that never differ say nothing of how much they might
        error = None
    seeds = sorted(ours.by_seed.keys() & theirs.by_seed.keys())
    by_seed = [ours.by_seed[seed] - theirs.by_seed[seed] for seed in seeds]
    return _record(left, right, mean, error, len(shared), by_seed, sizes)


def _record(
    arm: str,
    against: str | None,
    value: float,
    error: float | None,
    n_problems: int,
    by_seed: Sequence[float],
    sizes: Mapping[str, int],
) -> dict[str, Any]:
    spread = mean_and_standard_error(by_seed)[1] if len(by_seed) > 1 else None
    return {
        "arm": arm,
        "against": against,
        "value": value,
        "standard_error": error,
        "n_problems": n_problems,
        "training_rows": sizes[arm],
        "training_seeds": len(by_seed),
        "seed_standard_error": spread,
    }


def ablation_plot(table: pa.Table) -> bytes:
    """Draw every difference with its 95 % interval."""
    rows = [row for row in table.to_pylist() if row["against"] is not None]
    several = len({(row["benchmark"], row["k"]) for row in rows}) > 1
    intervals = [
        Interval(
            f"{row['arm']} - {row['against']}" + (f" ({row['benchmark']}, k={row['k']})" if several else ""),
            row["value"],
            row["standard_error"],
        )
        for row in rows
    ]
    return interval_plot(intervals, "difference of pass@k, paired by problem, with 95 % intervals")


def ablation_text(table: pa.Table) -> str:
    """Lay out ``ablation`` for a terminal: a value per arm, then the differences."""
    lines = [f"{'arm':<46} {'benchmark':<20} {'':>7} {'value':>7} {'± SE':>6} {'seeds ±':>7}  rows, problems, seeds"]
    for row in table.to_pylist():
        name = row["arm"] if row["against"] is None else f"{row['arm']} - {row['against']}"
        value = f"{row['value']:>7.3f}" if row["against"] is None else f"{row['value']:>+7.3f}"
        errors = (
            ("-" if each is None else f"{each:.3f}") for each in (row["standard_error"], row["seed_standard_error"])
        )
        lines.append(
            f"{name:<46} {row['benchmark']:<20} {'pass@' + str(row['k']):>7} {value} {next(errors):>6} {next(errors):>7}  "
            f"{row['training_rows']}, {row['n_problems']}, {row['training_seeds']}"
        )
    return "\n".join(lines)
