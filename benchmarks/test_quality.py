"""What the tests of contest problems are worth: the published samples alone against all that the organisers have.

    python benchmarks/test_quality.py [--checkpoint FOLDER] [--plot FILE] [--mutants 24] [--slow]

21 problems of KTH Challenge 2016 to 2018 with submissions of known verdict. Right programs are the accepted ones, wrong ones
those of a wrong answer; those over the time limit are told apart, for the packages name no limit here. Mutants are made of two
accepted programs of each problem. Whether a mutation score says what the true rate is, is asked of many small test sets: of
each problem, some of its tests at a time. Mutants are counted as ``test_quality`` counts them: one that was stopped before the
tests of a set says nothing of it. Needs ``OCR_REAL_DATA``.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.judge.lending import judge_with
from ocr_pipeline.quality.options import QualityConfig
from ocr_pipeline.quality.problems import Kills, MeasuredProblem, Program, rates_of
from ocr_pipeline.quality.rates import LEAST_FOR_A_BAND, LOWER_ENDS, Rate
from ocr_pipeline.quality.reading import Inputs
from ocr_pipeline.quality.running import run_programs

Series = npt.NDArray[np.float64]
WRONG, SLOW = "wrong_answer", "time_limit_exceeded"
SUBSET_SIZES = (1, 2, 3, 5, 8, 13)
SUBSETS_OF_A_SIZE = 4
DRAWS = 1_000


@dataclass(frozen=True, slots=True)
class Point:
    """A small test set of one problem."""

    size: int
    tnr: Rate
    mutants: Kills


def main() -> None:
    """Print the tables, and draw the plot where a file is named."""
    options = _options()
    data = Path(os.environ.get("OCR_REAL_DATA", ""))
    if not (data / "test_quality").is_dir():
        print("skipped: set OCR_REAL_DATA to the folder of real rows")
        return
    with tempfile.TemporaryDirectory() as folder:
        measured = measured_problems(data, Path(options.checkpoint or folder), options.mutants, with_slow=options.slow)
    print_rates(measured)
    sets = [points for problem in measured if (points := points_of(problem))]
    print_agreement(sets)
    if options.plot:
        draw(list(chain(*sets)), Path(options.plot))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", help="folder that keeps verdicts for the next run")
    parser.add_argument("--plot", help="file of the scatter plot")
    parser.add_argument("--mutants", type=int, default=24)
    parser.add_argument(
        "--slow", action="store_true", help="run the submissions over the time limit, too: minutes each"
    )
    return parser.parse_args()


def measured_problems(data: Path, checkpoint: Path, mutants: int, *, with_slow: bool) -> list[MeasuredProblem]:
    """Run all submissions and mutants on all tests; the published samples are the source, the others were made."""
    folder = data / "test_quality"
    tests = pq.read_table(folder / "tests.parquet")
    is_sample = pc.equal(tests["kind"], "example")
    submissions = [
        {
            "problem_id": row["problem_id"],
            "solution_id": f"{row['expected']}/{row['sample_id']}",
            "language": row["language"],
            "code": row["code"],
            "is_correct": row["expected"] == "accepted",
        }
        for row in pq.read_table(folder / "submissions.parquet").to_pylist()
        if with_slow or row["expected"] != SLOW
    ]
    config = QualityConfig(right_programs=None, wrong_programs=None, mutants=mutants, enough_wrong_programs=None)
    inputs = Inputs(
        pq.read_table(folder / "problems.parquet").to_batches(),
        tests=partial(_of, tests.filter(is_sample)),
        generated=partial(_of, tests.filter(pc.invert(is_sample))),
        programs=partial(_of, pa.Table.from_pylist(submissions)),
    )
    given = run_programs(inputs, judge=judge_with(JudgeConfig(), checkpoint), config=config)
    return [problem for some in given for problem in some]


def _of(table: pa.Table, _: Collection[str]) -> Iterable[pa.RecordBatch]:
    return table.to_batches()


def print_rates(measured: Sequence[MeasuredProblem]) -> None:
    """Print both rates of the samples and of all tests."""
    print(f"{len(measured)} problems")
    sets = {
        "samples alone": [problem.source for problem in measured],
        "all tests": [problem.source | problem.generated for problem in measured],
    }
    for name, tests in sets.items():
        size = sum(sum(some.values()) for some in tests) / len(measured)
        count = sum(map(len, tests)) / len(measured)
        said = [decided(problem, some) for problem, some in zip(measured, tests, strict=True)]
        slow = [decided(problem, some, SLOW) for problem, some in zip(measured, tests, strict=True)]
        (right, wrong), each = rates_of(list(chain(*said))), [rates_of(some) for some in said]
        print(f"{name}: {count:.1f} tests and {size / 1000:.1f} kB per problem")
        print(f"    right programs pass    {right}; macro {macro(one for one, _ in each)}")
        print(f"    wrong programs fail    {wrong}; macro {macro(one for _, one in each)}")
        print(f"    slow programs fail     {rates_of(list(chain(*slow)))[1]}")
    run, equivalent = (sum(getattr(all_kills(problem), name) for problem in measured) for name in ("run", "equivalent"))
    killed = sum(problem.kills(problem.source, problem.source).killed for problem in measured)
    print(f"mutants: {run} run, {equivalent} agree on every test, samples kill {Rate(killed, run - equivalent)}")
    for problem in measured:
        for program, outcome in zip(problem.programs, problem.outcomes, strict=True):
            passes = outcome.passes(problem.source | problem.generated)
            if passes is not program.is_right:
                print(f"    not as published: {program.name}: {outcome.silence or ('passes' if passes else 'fails')}")


def decided(problem: MeasuredProblem, tests: Collection[str], kind: str = WRONG) -> list[tuple[Program, bool]]:
    """Return what some tests say of right programs, and of wrong ones of a kind."""
    return [(one, passes) for one, passes in problem.decided(tests) if one.is_right or one.name.startswith(kind)]


def all_kills(problem: MeasuredProblem) -> Kills:
    """Return what all known tests make of the mutants."""
    known = [*problem.source, *problem.generated]
    return problem.kills(known, known)


def macro(some: Iterable[Rate]) -> str:
    """Return the mean over problems that have a rate."""
    values = [one.value for one in some if one.value is not None]
    return f"{100 * np.mean(values):.1f} % over {len(values)} problems" if values else "none"


def points_of(problem: MeasuredProblem) -> list[Point]:
    """Return small test sets of a problem with their true rate and their mutation score."""
    known = [*problem.source, *problem.generated]
    chosen = np.random.default_rng(zlib.crc32(problem.problem_id.encode()))
    sets = [list(problem.source)]
    sets += [
        list(chosen.choice(known, size, replace=False))
        for size in SUBSET_SIZES
        if size < len(known)
        for _ in range(SUBSETS_OF_A_SIZE)
    ]
    measured = [Point(len(tests), rates_of(decided(problem, tests))[1], problem.kills(tests, known)) for tests in sets]
    return [point for point in measured if point.tnr.tries and point.mutants.score.tries >= LEAST_FOR_A_BAND]


def print_agreement(sets: Sequence[Sequence[Point]]) -> None:
    """Print how far the mutation score and the true rate go together in the test sets of some problems."""
    points = list(chain(*sets))
    print(f"{len(points)} test sets of {SUBSET_SIZES} tests and the samples, of {len(sets)} problems")
    for name, score in (
        ("mutants killed of those not equivalent", lambda point: point.mutants.score),
        ("mutants killed of all that were run", lambda point: Rate(point.mutants.killed, point.mutants.run)),
    ):
        found = "; ".join(f"{how.__name__.title()} {over_problems(how, sets, score)}" for how in (pearson, spearman))
        print(f"    {name}: {found}")
    for size in sorted({point.size for point in points}):
        some = [point for point in points if point.size == size]
        if len(some) >= SUBSETS_OF_A_SIZE:
            print(f"    {size:3} tests, {said_of(some)}")
    for low, high in pairwise((0.0, *(end for end, _ in reversed(LOWER_ENDS)), 1.0, math.inf)):
        some = [point for point in points if low <= (point.mutants.score.value or 0) < high]
        if some:
            print(f"    mutation score from {low:.1f}, {said_of(some)}")


def said_of(points: Sequence[Point]) -> str:
    """Return both rates of some test sets, and how many let more wrong programs through than a band of trust allows."""
    rates = [point.tnr.value or 0.0 for point in points]
    score = macro(point.mutants.score for point in points).split(" over ")[0]
    below = ", ".join(f"{sum(rate < end for rate in rates)} below {end}" for end, _ in LOWER_ENDS)
    return (
        f"{len(points)} sets: mutation score {score}, TNR {100 * np.mean(rates):.1f} %, "
        f"{below}, lowest {100 * min(rates):.1f} %"
    )


def over_problems(
    correlation: Callable[[Series, Series], float], sets: Sequence[Sequence[Point]], score: Callable[[Point], Rate]
) -> str:
    """Return a correlation with its 95 % interval: problems are drawn anew, for sets of one problem are not independent."""
    pairs = [np.array([(score(point).value, point.tnr.value) for point in points]) for points in sets]
    chosen = np.random.default_rng(0)
    drawn = [
        correlation(*np.concatenate([pairs[number] for number in chosen.integers(len(pairs), size=len(pairs))]).T)
        for _ in range(DRAWS)
    ]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return f"{correlation(*np.concatenate(pairs).T):.2f} ({low:.2f} to {high:.2f})"


def pearson(left: Series, right: Series) -> float:
    """Return the correlation of two series."""
    return float(np.corrcoef(left, right)[0, 1])


def spearman(left: Series, right: Series) -> float:
    """Return the correlation of ranks, ties sharing theirs."""
    return pearson(_ranks(left), _ranks(right))


def _ranks(values: Series) -> Series:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared: Series = ((ends - counts + 1 + ends) / 2)[inverse]
    return shared


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw one dot per test set, shaken a little, for few wrong programs give few values."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shake = np.random.default_rng(0)
    tnr = np.array([point.tnr.value for point in points]) + shake.uniform(-0.012, 0.012, len(points))
    shown = axes.scatter(
        [point.mutants.score.value for point in points],
        tnr,
        c=[point.size for point in points],
        s=[18 + 8 * point.tnr.tries for point in points],
        cmap="viridis",
        alpha=0.6,
        linewidths=0,
    )
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=0)
    axes.set_xlabel("mutation score: mutants killed, of those that some known test tells from the original")
    axes.set_ylabel("TNR: wrong submissions that fail")
    axes.set_title(f"{len(points)} small test sets of KTH Challenge problems")
    figure.colorbar(shown, label="tests in the set")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
