"""What the user interface shows of a table and of one materialization."""

import base64
from collections.abc import Mapping
from typing import Any, Final

import dagster as dg
import pyarrow as pa

from ocr_pipeline.building import Built
from ocr_pipeline.evidence import bar_chart
from ocr_pipeline.store import Store
from ocr_pipeline.tables import Table

__all__ = ["described", "materialization_metadata"]

EXAMPLE_ROWS: Final = 3
EXAMPLE_CHARACTERS: Final = 80
EXAMPLE_COLUMNS: Final = 8
OWNER: Final = "team:data"


def described(
    table: Table, *, group: str, upstream: tuple[Table, ...] = (), kinds: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the keyword arguments of an asset that every table shares: description, kinds, schema, lineage."""
    return {
        "description": table.description,
        "group_name": group,
        "kinds": {"parquet", *kinds},
        "owners": [OWNER],
        "metadata": {
            "dagster/column_schema": _column_schema(table),
            "dagster/column_lineage": _column_lineage(table, upstream),
            "dagster/table_name": table.name,
        },
    }


def _column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema([_column(field, unique=table.key == (field.name,)) for field in table.schema])


def _column(field: pa.Field, *, unique: bool) -> dg.TableColumn:
    metadata = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    unit = f" [{metadata['unit']}]" if "unit" in metadata else ""
    return dg.TableColumn(
        field.name,
        str(field.type),
        metadata["description"] + unit,
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


def materialization_metadata(store: Store, built: Built) -> dict[str, Any]:
    """Return what one partition's materialization shows: counts, reasons, example rows, a plot."""
    manifest = built.manifest
    counts = manifest.stage_counts
    shown: dict[str, Any] = {
        "dagster/row_count": manifest.rows,
        "dagster/uri": store.uri(built.table, **manifest.partition),
        "rows_in": counts.rows_in,
        "rows_kept": counts.kept,
        "rows_dropped": sum(counts.dropped.values()),
        "bytes": manifest.bytes,
        "content_sha256": manifest.content_sha256,
        "config": dg.MetadataValue.json(manifest.config),
        "unchanged": built.reused,
        "examples": dg.MetadataValue.md(_examples(store, built.table, manifest.partition)),
    }
    if counts.dropped:
        shown["dropped_by_reason"] = dg.MetadataValue.md(_markdown_counts(counts.dropped))
    if counts.notes:
        shown["notes"] = dg.MetadataValue.md(_markdown_counts(counts.notes))
    outcomes = {"kept": counts.kept, **counts.dropped}
    picture = base64.b64encode(bar_chart(outcomes, title=f"{built.table.name}: kept and dropped")).decode()
    shown["plot"] = dg.MetadataValue.md(f"![kept and dropped](data:image/png;base64,{picture})")
    return shown


def _markdown_counts(counts: Mapping[str, int]) -> str:
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "\n".join(["| reason | rows |", "|---|---:|", *(f"| {reason} | {count:,} |" for reason, count in rows)])


def _examples(store: Store, table: Table, partition: Mapping[str, str]) -> str:
    columns = table.schema.names[:EXAMPLE_COLUMNS]
    rows = store.open(table, **partition).head(EXAMPLE_ROWS, columns=columns, batch_size=EXAMPLE_ROWS).to_pylist()
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_clipped(row[name]) for name in columns) + " |" for row in rows]
    return "\n".join(lines)


def _clipped(value: object) -> str:
    text = " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= EXAMPLE_CHARACTERS else text[: EXAMPLE_CHARACTERS - 1] + "…"
