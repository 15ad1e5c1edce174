"""The command that judges samples: files in, files out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import typer

from ocr_pipeline.console import progress, report
from ocr_pipeline.errors import InputError
from ocr_pipeline.judge.programs import Tiers
from ocr_pipeline.judge.sandbox import require_hidden
from ocr_pipeline.judge.step import judge as judge_samples
from ocr_pipeline.judge.trust import check_tests
from ocr_pipeline.judge.verdicts import TrustConfig
from ocr_pipeline.store import FileWriter, open_files
from ocr_pipeline.tables import EXECUTIONS, PROBLEMS, SAMPLES, SOLUTIONS, TEST_TRUST, TESTS, Table

__all__ = ["judge"]

TEST_COLUMNS = ("problem_id", "test_id", "input", "expected")
SAMPLE_COLUMNS = ("sample_id", "problem_id", "language", "code")
SOLUTION_COLUMNS = ("problem_id", "solution_id", "language", "code", "is_correct")


def judge(  # noqa: PLR0913, PLR0917 - one parameter per option
    problems: Annotated[list[Path], typer.Option(help="Problems: Parquet, JSONL or folders; needs problem_id.")],
    tests: Annotated[list[Path], typer.Option(help="Tests; needs " + ", ".join(TEST_COLUMNS) + ".")],
    samples: Annotated[list[Path], typer.Option(help="Samples; needs " + ", ".join(SAMPLE_COLUMNS) + ".")],
    out: Annotated[Path, typer.Option(help="Folder for executions.parquet.")],
    solutions: Annotated[
        list[Path] | None,
        typer.Option(
            help="Reference solutions, asked about the tests first; needs " + ", ".join(SOLUTION_COLUMNS) + "."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes; 0 works in this one. Default: one per core.", show_default=False),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder that keeps finished results for the next run; default OUT/.judge.")
    ] = None,
    time_limit: Annotated[float, typer.Option(min=0.01, help="CPU seconds where the problem names no limit.")] = 10.0,
    python_factor: Annotated[float, typer.Option(min=0.1, help="Times a problem's own limit, for Python.")] = 5.0,
    cpp_factor: Annotated[float, typer.Option(min=0.1, help="Times a problem's own limit, for C++.")] = 1.0,
    max_tests: Annotated[int | None, typer.Option(min=1, help="Run only the first so many tests of a problem.")] = None,
    stop_at_first_failure: Annotated[bool, typer.Option(help="Leave out the tests after a failed one.")] = False,  # noqa: FBT002 - a flag
    unsandboxed: Annotated[bool, typer.Option("--unsandboxed", help="No isolation; every row says so.")] = False,  # noqa: FBT002
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Run samples against the tests of their problems in a sandbox and give each its verdict and pass rate."""
    config = TrustConfig(
        workers=workers,
        python_time_factor=python_factor,
        cpp_time_factor=cpp_factor,
        default_time_limit_s=time_limit,
        tiers=Tiers.UNSANDBOXED if unsandboxed else Tiers.AUTO,
        max_tests=max_tests,
        stop_at_first_failure=stop_at_first_failure,
    )
    require_hidden([*problems, *tests, *samples, *(solutions or []), out])
    looked_up = _Rows(tests, TESTS, TEST_COLUMNS)
    kept = checkpoint or out / ".judge"

    def given_problems() -> Iterable[pa.RecordBatch]:
        return open_files(problems, PROBLEMS, required=["problem_id"])

    if solutions:
        with (
            FileWriter(out / "test_trust.parquet", TEST_TRUST) as writer,
            progress("checking", unit="solutions") as bar,
        ):
            check_tests(
                given_problems, looked_up, _Rows(solutions, SOLUTIONS, SOLUTION_COLUMNS),
                config=config, writer=writer, checkpoint=kept, progress=bar,
            )  # fmt: skip
    with (
        FileWriter(out / "executions.parquet", EXECUTIONS) as writer,
        progress("judging", unit="samples") as bar,
    ):
        counts = judge_samples(
            given_problems(),
            looked_up,
            open_files(samples, SAMPLES, required=SAMPLE_COLUMNS),
            config=config,
            writer=writer,
            trust=open_files([out / "test_trust.parquet"], TEST_TRUST) if solutions else (),
            checkpoint=kept,
            progress=bar,
        )
    report(counts, as_json=as_json, out=out)


class _Rows:
    """Looks rows of problems up in files; Parquet files skip what a window does not need."""

    def __init__(self, paths: Iterable[Path], table: Table, columns: Sequence[str]) -> None:
        self._paths = list(paths)
        self._table = table
        self._columns = columns

    def __call__(self, problem_ids: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of these problems, and maybe others."""
        for path in self._paths:
            if path.suffix == ".parquet" and path.is_file() and _has_columns(path, self._columns):
                wanted = pc.field("problem_id").isin(list(problem_ids))
                yield from ds.dataset(path).to_batches(columns=list(self._columns), filter=wanted, batch_size=1_024)
            else:
                yield from open_files([path], self._table, required=self._columns)


def _has_columns(path: Path, columns: Sequence[str]) -> bool:
    try:
        return set(columns) <= set(ds.dataset(path).schema.names)
    except (pa.ArrowInvalid, OSError) as error:
        message = f"`{path}` cannot be read as Parquet: {error}"
        raise InputError(message) from error
