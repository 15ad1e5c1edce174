"""Whether the machine's load changes a verdict: submissions of contest packages, as the machine is and while others spin.

    python benchmarks/judge_under_load.py DATA [--spinners 2] [--workers 2] [--only test_quality] [--without PROBLEM…]

DATA is the folder of the public test data (``OCR_REAL_DATA`` of the tests). As its packages want it, the time limit of a problem
is a multiple of the slowest accepted submission in whole seconds, for each language by itself, because the Python programs
were timed with PyPy. It is measured once, so that both passes have the same limits. Prints the verdicts that are not the
published ones, and those that differ between the passes; where the second kind exists the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.tables import PROBLEMS
from tests.judge import test_real_data as judge_tests
from tests.sources import rows as sources_rows

SPIN: Final = "while True: pass"
USUAL_MULTIPLIER: Final = 5.0  # of packages of those years that name none
MEASURING: Final = JudgeConfig(
    python_time_factor=1.0, default_time_limit_s=120.0, default_memory_mib=2048.0, give_up_after_time_limits=1
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Packages:
    """Problems with their tests, submissions with their published verdict (``wanted``), and time multipliers."""

    problems: list[Row]
    tests: pa.Table
    submissions: list[Row]
    multipliers: Mapping[str, float]

    def judged(self, submissions: Sequence[Row], config: JudgeConfig, limits: Mapping[str, float]) -> list[Row]:
        """Judge some submissions, each problem with its time limit."""
        problems = [{**row, "time_limit_s": limits.get(row["problem_id"])} for row in self.problems]
        table = pa.Table.from_pylist(problems, schema=PROBLEMS.schema)
        return judge_tests.verdicts(table, self.tests, submissions, config)

    def without(self, names: Sequence[str]) -> Packages:
        """Return the packages but for the problems whose ids end with one of these names."""
        kept = [row for row in self.submissions if not row["problem_id"].endswith(tuple(f"/{name}" for name in names))]
        return replace(self, submissions=kept)

    def of_language(self, language: str) -> list[Row]:
        """Return the submissions in a language."""
        return [row for row in self.submissions if row["language"] == language]

    def limits(self, config: JudgeConfig) -> dict[str, dict[str, float]]:
        """Return the time limits of each language: what its own accepted submissions make, or all where it has none."""
        accepted = [row for row in self.submissions if row["wanted"] == "accepted"]
        rows = self.judged(accepted, config, {})
        return {language: judge_tests.time_limits(language, rows, self.multipliers) for language in ("cpp", "python")}

    def verdicts(self, config: JudgeConfig, limits: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
        """Judge all submissions, each language with its own limits; return their verdicts."""
        rows = [row for language, own in limits.items() for row in self.judged(self.of_language(language), config, own)]
        return {row["sample_id"]: row["verdict"] for row in rows}

    @property
    def published(self) -> dict[str, str]:
        """The published verdicts."""
        return {row["sample_id"]: row["wanted"] for row in self.submissions}


def test_quality(data: Path) -> Packages:
    """Read the packages that come with their input validators; the format's own comparison ignores case."""
    folder = data / "test_quality"
    rows = pq.read_table(folder / "problems.parquet", columns=["problem_id", "float_tolerance"]).to_pylist()
    problems = [{**row, "checker": "case_insensitive"} for row in rows]
    submissions = pq.read_table(folder / "submissions.parquet").to_pylist()
    return Packages(
        problems,
        pq.read_table(folder / "tests.parquet"),
        [{**row, "wanted": judge_tests.EXPECTED.get(row["expected"], row["expected"])} for row in submissions],
        {row["problem_id"]: USUAL_MULTIPLIER for row in problems},
    )


def judge_packages(data: Path) -> Packages:
    """Read the packages that name their validator's flags, as the reader ``kattis`` takes them."""
    folder = data / "judge_packages"
    with tempfile.TemporaryDirectory() as out:
        packages = sources_rows.run("kattis", [folder], Path(out))
        problems, tests = packages.rows("problems"), pa.Table.from_pylist(packages.rows("tests"))
    return Packages(problems, tests, judge_tests.package_submissions(folder), judge_tests.multipliers(folder))


READERS: Final[dict[str, Callable[[Path], Packages]]] = {"test_quality": test_quality, "judge_packages": judge_packages}


@contextmanager
def spinning(count: int) -> Iterator[None]:
    """Let processes of no use to anybody work beside the judge."""
    processes = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def compared(one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[str]:
    """Yield what differs."""
    yield from (f"  {name}: {one[name]}, {other[name]}" for name in sorted(one) if one[name] != other[name])


def main() -> None:
    """Judge twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--spinners", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=list(READERS))
    parser.add_argument(
        "--without", nargs="*", default=[], help="problems to leave out, such as those of slow programs"
    )
    options = parser.parse_args()
    config = MEASURING.replaced(workers=options.workers)
    failed = False
    for name in [options.only] if options.only else READERS:
        packages = READERS[name](options.data).without(options.without)
        limits = packages.limits(config)
        passes = []
        for spinners in (0, options.spinners):
            start = time.monotonic()
            with spinning(spinners):
                passes.append(packages.verdicts(config, limits))
                load = os.getloadavg()[0]
            right = sum(passes[-1][each] == wanted for each, wanted in packages.published.items())
            print(f"{name}, {spinners} spinners: {right} of {len(passes[-1])} as published, load {load:.1f}, "
                  f"{time.monotonic() - start:.0f} s; others (published, judged):")  # fmt: skip
            print("\n".join(compared(packages.published, passes[-1])) or "  none", flush=True)
        differing = list(compared(*passes))
        failed |= bool(differing)
        print(f"{name}, differing between the passes:")
        print("\n".join(differing) or "  none", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
