"""The steps of this room: problems are compared with benchmarks, and those that no benchmark holds stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline import contamination, sample
from ocr_pipeline.contamination.benchmark import COMPARED, Benchmark, read_benchmark
from ocr_pipeline.contamination.checking import ContaminationConfig, check, count_decisions
from ocr_pipeline.contamination.selection import DROPPING, select_clean
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.options import Options, option
from ocr_pipeline.similarity.catalogue import COLUMNS
from ocr_pipeline.similarity.services import ENCODER, OPINIONS, reviews_of
from ocr_pipeline.steps import Job, Read, Rows, Step, Whose
from ocr_pipeline.tables import CLEAN_PROBLEMS, CONTAMINATION, PROBLEMS, REVIEWS, UNIQUE_PROBLEMS

__all__ = ["CHECK", "KEEP_CLEAN", "BenchmarkOptions", "benchmarks_of"]

GROUP: Final = "3_contamination"
SUFFIXES: Final = frozenset({".jsonl", ".parquet"})
UNIQUE_READ: Final = Read(UNIQUE_PROBLEMS, ("problem_id", "statement"))


class BenchmarkOptions(Options):
    """Which benchmarks the problems are checked against, beside the ingested ones."""

    against: tuple[str, ...] = option(
        (), "NAME=FILE of a benchmark, again for each; none: every <name>.jsonl and <name>.parquet of the folder"
    )
    folder: Path = option(
        sample.path("benchmarks"),
        "Folder of benchmark files",
        environment="OCR_PIPELINE_BENCHMARKS",
        affects_output=False,
    )

    def files(self) -> dict[str, Path]:
        """Return the file of each benchmark, by name.

        Raises
        ------
        InputError
            When there is no folder, or one name is given to two files.
        """
        if not self.against and not self.folder.is_dir():
            message = (
                f"the folder of benchmarks `{self.folder}` does not exist; make it, or set OCR_PIPELINE_BENCHMARKS"
            )
            raise InputError(message)
        named = [_named(text) for text in self.against] or [
            (path.stem, path) for path in sorted(self.folder.glob("*")) if path.suffix in SUFFIXES
        ]
        files = dict(named)
        for name, path in named:
            if files[name] != path:
                message = f"benchmark `{name}` is `{path}` and `{files[name]}`; give each file a name of its own"
                raise InputError(message)
        return files

    @property
    def settings(self) -> dict[str, object]:
        """The benchmarks by their contents: a file under another path is the same one."""
        return {"benchmarks": {name: read_benchmark(name, path).version for name, path in self.files().items()}}


def _named(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        message = f"against must be NAME=FILE, got `{text}`; write for example humaneval=humaneval.parquet"
        raise OptionError(message)
    return name, Path(path)


def _check(job: Job) -> StageCounts:
    reviews, benchmarks = reviews_of(job.read(REVIEWS)), benchmarks_of(job)
    if not benchmarks:
        job.services.log("there is no benchmark, so nothing is compared and every problem counts as clean")
    rows, suspects = 0, Counter[str]()
    for batch in check(
        job.read(UNIQUE_PROBLEMS).batches(COLUMNS),
        benchmarks,
        config=job.options(ContaminationConfig),
        encoder=job.use(ENCODER),
        reviews=reviews,
        opinions=job.use(OPINIONS),
    ):
        job.writer(CONTAMINATION).write(batch)
        rows += batch.num_rows
        suspects += count_decisions(batch)
    for line in reviews.warnings(reviews.votes):
        job.services.log(line)
    return StageCounts(rows_in=rows, kept=rows, notes=dict(sorted(suspects.items())))


def benchmarks_of(job: Job) -> list[Benchmark]:
    """Return every benchmark, files and ingested ones, sorted by name."""
    files = [read_benchmark(name, path) for name, path in job.options(BenchmarkOptions).files().items()]
    return sorted([*files, *_ingested(job.read(PROBLEMS))], key=lambda benchmark: benchmark.name)


def _ingested(problems: Rows) -> Iterator[Benchmark]:
    for part in problems.parts():
        rows = pa.Table.from_batches(part.batches(COMPARED), PROBLEMS.schema_of(COMPARED))
        yield Benchmark(name=part.name, version=part.version, problems=rows)


def _keep_clean(job: Job) -> StageCounts:
    evidence = job.read(CONTAMINATION).batches(DROPPING)
    return select_clean(with_provenance(job.read(UNIQUE_PROBLEMS).batches()), evidence, job.writer(CLEAN_PROBLEMS))


def with_provenance(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Fill the lists that a plain problems table does not have: each problem is its own only member."""
    for batch in batches:
        rows = pa.table(batch)
        for column, single in (("member_ids", "problem_id"), ("datasets", "dataset"), ("licenses", "license")):
            empty = pc.equal(pc.list_value_length(rows[column]), 0)
            if not pc.any(empty).as_py():
                continue
            own = pa.array([[value] for value in rows[single].to_pylist()], rows.schema.field(column).type)
            place = rows.schema.get_field_index(column)
            filled = pc.if_else(empty, own, rows[column].combine_chunks())
            rows = rows.set_column(place, rows.schema.field(column), filled)
        yield from rows.combine_chunks().to_batches()


CHECK: Final = Step(
    name="contamination",
    group=GROUP,
    version=contamination.VERSION,
    reads=(
        UNIQUE_READ,
        Read(PROBLEMS, is_optional=True, whose=Whose.BENCHMARK),
        Read(REVIEWS, is_optional=True),
    ),
    writes=(CONTAMINATION,),
    outside=("benchmarks",),
    options=(ContaminationConfig, BenchmarkOptions),
    uses=(ENCODER, OPINIONS),
    unit="problems",
    run=_check,
)
KEEP_CLEAN: Final = Step(
    name="clean_problems",
    group=GROUP,
    version=contamination.VERSION,
    reads=(UNIQUE_READ, Read(CONTAMINATION)),
    writes=(CLEAN_PROBLEMS,),
    run=_keep_clean,
)
