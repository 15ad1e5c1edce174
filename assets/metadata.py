"""What the user interface shows of a table and of one materialization."""

import base64
import html
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.building import Built
from ocr_pipeline.evidence import histogram
from ocr_pipeline.markdown import markdown_table
from ocr_pipeline.store import Store
from ocr_pipeline.tables import EXECUTIONS, PROBLEMS, Table

__all__ = ["OWNER", "code_of", "described", "materialization_metadata", "picture", "shown_table"]

EXAMPLE_ROWS: Final = 3
EXAMPLE_CHARACTERS: Final = 60
EXAMPLE_COLUMNS: Final = 8
HASH: Final = re.compile("[0-9a-f]{40,}")
HASH_CHARACTERS: Final = 10
STATEMENT_CHARACTERS: Final = 4_000
SLOWEST: Final = 5
OWNER: Final = "team:data"


def described(table: Table, upstream: tuple[Table, ...] = ()) -> dict[str, Any]:
    """Return the metadata that a table's page shows: columns with their meaning, and where each comes from."""
    return {
        "dagster/column_schema": _column_schema(table),
        "dagster/column_lineage": _column_lineage(table, upstream),
        "dagster/table_name": table.name,
    }


def code_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return where the function of a step stands, for the link of its page."""
    plain = getattr(function, "func", function)  # of a named selection it is given the table first
    path, line = plain.__code__.co_filename, plain.__code__.co_firstlineno
    with warnings.catch_warnings():  # each start of Dagster would print that they are a beta of it
        warnings.simplefilter("ignore", dg.BetaWarning)
        reference = dg.LocalFileCodeReference(file_path=path, line_number=line, label=plain.__module__)
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}


def _column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema([_column(field, unique=table.key == (field.name,)) for field in table.schema])


def _column(field: pa.Field, *, unique: bool) -> dg.TableColumn:
    metadata = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    unit = f" [{metadata['unit']}]" if "unit" in metadata else ""
    return dg.TableColumn(
        field.name,
        str(field.type),
        html.escape(metadata["description"], quote=False) + unit,
        dg.TableColumnConstraints(nullable=field.nullable, unique=unique),
    )


# Columns that continue under another name downstream.
RENAMED: Final = {
    ("samples", "sample_id"): ("responses", "request_id"),
    ("samples", "code"): ("responses", "text"),
    ("samples", "reasoning_span"): ("responses", "text"),
    ("samples", "answer_span"): ("responses", "text"),
    ("sft_dataset", "input"): ("clean_problems", "statement"),
    ("sft_dataset", "output"): ("responses", "text"),
    ("sft_dataset", "solution"): ("samples", "code"),
    ("sft_dataset", "index"): ("clean_problems", "native_id"),
    ("duplicate_pairs", "left_id"): ("problems", "problem_id"),
    ("duplicate_pairs", "right_id"): ("problems", "problem_id"),
    ("plans", "plan"): ("solutions", "code"),
}


def _column_lineage(table: Table, upstream: tuple[Table, ...]) -> dg.TableColumnLineage:
    known = {source.name for source in upstream}
    dependencies: dict[str, list[dg.TableColumnDep]] = {}
    for column in table.schema.names:
        found = [(source.name, column) for source in upstream if column in source.schema.names]
        renamed = RENAMED.get((table.name, column))
        if renamed and renamed[0] in known:
            found = [renamed]
        if found:
            dependencies[column] = [dg.TableColumnDep(dg.AssetKey(name), origin) for name, origin in found]
    return dg.TableColumnLineage(dependencies)


def _example_problem(store: Store, built: Built) -> dict[str, Any]:
    """Render the first problem as a person would read it."""
    rows = store.open(built.table, **built.manifest.partition).head(1, columns=["problem_id", "statement"]).to_pylist()
    text = "\n\n".join(f"**{row['problem_id']}**\n\n{row['statement'][:STATEMENT_CHARACTERS]}" for row in rows)
    return {"example_problem": dg.MetadataValue.md(text)}


def _verdicts(store: Store, built: Built) -> dict[str, Any]:
    """Show how the programs fared: verdicts, pass rates, and the problems that took the most time."""
    columns = ["problem_id", "verdict", "pass_rate", "cpu_time_s", "tests_untrusted"]
    rows = store.open(built.table, **built.manifest.partition).to_table(columns=columns)
    verdicts = {entry["values"]: entry["counts"] for entry in pc.value_counts(rows["verdict"]).to_pylist()}
    slowest = (
        rows.sort_by([("cpu_time_s", "descending")]).slice(0, SLOWEST).select(["problem_id", "cpu_time_s"]).to_pylist()
    )
    rates = rows["pass_rate"].drop_null().to_pylist()
    flagged = rows.filter(pc.greater(rows["tests_untrusted"], 0)).group_by(["problem_id"])
    flagged_tests = flagged.aggregate([("tests_untrusted", "max")]).sort_by(
        [("tests_untrusted_max", "descending"), ("problem_id", "ascending")]
    )
    return {
        "verdicts": dg.MetadataValue.md(_markdown_counts(verdicts)),
        "pass_rates": picture(histogram(rates, title="pass rate")),
        "slowest": dg.MetadataValue.json(slowest),
        "untrusted_tests": pc.sum(flagged_tests["tests_untrusted_max"]).as_py() or 0,
        "most_untrusted": dg.MetadataValue.json(flagged_tests.slice(0, SLOWEST).to_pylist()),
        "samples_with_unchecked_tests": rows["tests_untrusted"].null_count,
        "not_run_share": verdicts.get("not_run", 0) / max(rows.num_rows, 1),
    }


OF_ONE_TABLE: Final[Mapping[str, Callable[[Store, Built], dict[str, Any]]]] = {
    PROBLEMS.name: _example_problem,
    EXECUTIONS.name: _verdicts,
}
"""What only one table shows."""


def picture(png: bytes) -> dg.MarkdownMetadataValue:
    """Show a PNG in the page itself."""
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")


def materialization_metadata(store: Store, built: Built, *, is_counted: bool = True) -> dict[str, Any]:
    """Return what one partition's materialization shows: rows, reasons, examples; of what is unchanged only the numbers.

    ``is_counted`` says that the step's account counts rows of this table, and not of another one that is made with it.
    """
    manifest = built.manifest
    counts = manifest.stage_counts
    shown: dict[str, Any] = {"dagster/row_count": manifest.rows}
    if manifest.partition:
        others = (store.manifest(built.table, **keys) for keys in store.partitions(built.table))
        shown["dagster/partition_row_count"] = manifest.rows
        shown["dagster/row_count"] = sum(other.rows for other in others if other is not None)
    if is_counted:
        shown |= {"rows_in": counts.rows_in, "rows_kept": counts.kept, "rows_dropped": sum(counts.dropped.values())}
        if counts.dropped:
            shown["dropped_by_reason"] = dg.MetadataValue.md(_markdown_counts(counts.dropped))
        if counts.notes:
            shown["notes"] = dg.MetadataValue.md(_markdown_counts(counts.notes))
    shown |= {
        "unchanged": built.reused,
        "dagster/uri": store.uri(built.table, **manifest.partition),
        "bytes": manifest.bytes,
        "content_sha256": manifest.content_sha256,
    }
    if built.reused:
        return shown
    return (
        shown
        | OF_ONE_TABLE.get(built.table.name, _nothing_more)(store, built)
        | {
            "examples": dg.MetadataValue.md(_examples(store, built.table, manifest.partition)),
            "config": dg.MetadataValue.json(manifest.config),
        }
    )


def _nothing_more(store: Store, built: Built) -> dict[str, Any]:
    del store, built
    return {}


def _markdown_counts(counts: Mapping[str, int]) -> str:
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return markdown_table(["reason", "rows"], most_first)


def _examples(store: Store, table: Table, partition: Mapping[str, str]) -> str:
    columns = table.schema.names[:EXAMPLE_COLUMNS]
    return shown_table(store.open(table, **partition).head(EXAMPLE_ROWS, columns=columns, batch_size=EXAMPLE_ROWS))


def shown_table(rows: pa.Table) -> str:
    """Lay out a few rows as Markdown, each cell shortened; of a hash nobody reads more than its beginning."""
    cells = ([_short(value) for value in row.values()] for row in rows.to_pylist())
    return markdown_table(rows.column_names, cells, longest=EXAMPLE_CHARACTERS)


def _short(value: object) -> object:
    return value[:HASH_CHARACTERS] + "…" if isinstance(value, str) and HASH.fullmatch(value) else value
