"""Separation, syntax and selection as a user would write them, beside ours, on the same rows: CPU, wall and peak memory.

The others do the least: text before and after ``</think>``, the last fenced block by a regular expression, ``ast.parse``, and
Parquet of what parses. Ours also reads other tags and broken fences, marks loops, repeated and Python 2 programs, asks
CPython and Tree-sitter, keeps every row with its reasons in ``samples``, joins the statements, and checks both tables; it runs as the two assets in
Dagster, once as they are and once with compilers off.

    python benchmarks/alternatives.py ROOT

``ROOT`` is what ``benchmarks/scale.py --keep ROOT`` left. A process each, imports left out.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.scale import HashedEncoder, measured, watched

FENCE: Final = re.compile(r"```(?:python|py)?\n(.*?)```", re.DOTALL)
PARTITION: Final = "dataset=taco/language=python"
WITHOUT_COMPILERS: Final = {"ask_compilers": False, "check_compiles": False}


def program(text: str) -> str | None:
    """Return the last program of an answer, if it parses."""
    _, end, answer = text.partition("</think>")
    found = FENCE.findall(answer) if end else []
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(found[-1])
    except (IndexError, SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    code: str = found[-1]
    return code


def reasoning(text: str) -> str:
    """Return what stands before the answer."""
    return text.partition("</think>")[0].removeprefix("<think>").strip()


def parted(row: Mapping[str, str]) -> dict[str, str | None]:
    """Return the new columns of a row."""
    return {"reasoning": reasoning(row["text"]), "code": program(row["text"])}


def with_datasets(files: str, out: Path) -> Callable[[], object]:
    """Map with two processes, filter, write."""
    import datasets

    def work() -> None:
        rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(out / "cache"))
        rows = rows.select_columns(["request_id", "problem_id", "text"])
        mapped = rows.map(parted, num_proc=2, remove_columns=["text"])
        mapped.filter(lambda code: code is not None, input_columns="code", num_proc=2).to_parquet(out / "kept.parquet")

    return work


def with_polars(files: str, out: Path) -> Callable[[], object]:
    """Two functions by element, a filter, a file."""
    import polars as pl

    def work() -> None:
        rows = pl.read_parquet(files, columns=["request_id", "problem_id", "text"])
        rows.select(
            "request_id",
            "problem_id",
            pl.col("text").map_elements(reasoning, return_dtype=pl.String).alias("reasoning"),
            pl.col("text").map_elements(program, return_dtype=pl.String).alias("code"),
        ).drop_nulls("code").write_parquet(out / "kept.parquet")

    return work


def with_duckdb(files: str, out: Path) -> Callable[[], object]:
    """Two functions in Python, one query."""
    import duckdb

    def work() -> None:
        connection = duckdb.connect()
        connection.create_function("reasoning", reasoning, ["VARCHAR"], "VARCHAR")
        connection.create_function("program", program, ["VARCHAR"], "VARCHAR", null_handling="special")
        rows = connection.sql(
            "SELECT * FROM (SELECT request_id, problem_id, reasoning(text) AS reasoning, program(text) AS code "
            "FROM read_parquet(?)) WHERE code IS NOT NULL",
            params=[files],
        )
        rows.write_parquet(str(out / "kept.parquet"), compression="zstd")

    return work


def ours(root: Path, out: Path, options: Mapping[str, bool]) -> Callable[[], object]:
    """Materialize both assets with their checks, in a copy of the data root without them."""
    import dagster as dg  # noqa: TID251 - what is measured is the flow as Dagster runs it

    from ocr_pipeline.definitions import build_defs
    from ocr_pipeline.similarity import services
    from resources import StoreResource

    services.load_encoder = lambda *_, **__: HashedEncoder()  # type: ignore[assignment]
    without = shutil.ignore_patterns("samples", "sft_dataset", "executions", "reasoning_patterns", "_*")
    shutil.copytree(root / "data", out / "data", ignore=lambda folder, names: {
        name for name in without(folder, names) if name != "_manifest.json"
    })  # fmt: skip
    defs = build_defs(store=StoreResource(root=str(out / "data")))

    def work() -> None:
        with dg.DagsterInstance.local_temp(str(out)) as instance:
            for name in ("samples", "sft_dataset"):
                job = defs.resolve_implicit_job_def_def_for_assets([dg.AssetKey(name)])
                assert job is not None
                config = {"ops": {"samples": {"config": dict(options)}}} if name == "samples" else {}
                job.execute_in_process(
                    config, instance=instance, asset_selection=[dg.AssetKey(name)], partition_key="taco|python"
                )

    return work


WAYS: Final[Mapping[str, Callable[[Path, Path], Callable[[], object]]]] = {
    "`datasets.map`, two processes": lambda root, out: with_datasets(_files(root), out),
    "Polars, `map_elements`": lambda root, out: with_polars(_files(root), out),
    "DuckDB, functions in Python": lambda root, out: with_duckdb(_files(root), out),
    "ours, in Dagster with checks": lambda root, out: ours(root, out, {}),
    "ours, compilers off": lambda root, out: ours(root, out, WITHOUT_COMPILERS),
}


def _files(root: Path) -> str:
    return str(root / "data/responses" / PARTITION / "*.parquet")


def main() -> None:
    """Print the table."""
    root = Path(sys.argv[1])
    if len(sys.argv) > 2:
        with tempfile.TemporaryDirectory(dir=root) as folder:
            work = WAYS[sys.argv[2]](root, Path(folder))
            cost = measured(work)
            print("\n" + orjson.dumps(asdict(cost)).decode())
        return
    print("| | CPU-s | wall, s | peak, MiB |\n|---|--:|--:|--:|")
    for name in WAYS:
        cost = watched([sys.executable, __file__, str(root), name], root / "log")
        print(f"| {name} | {cost.cpu_s:,.1f} | {cost.wall_s:,.1f} | {cost.peak_mib:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
