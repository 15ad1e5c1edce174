"""What a step says of a row that it wrote: the words in which ``explain`` tells the life of a problem or a sample.

Each room that writes tables has a module ``events`` with a tuple ``TOLD``: for each of its tables, how the rows of one
problem or one sample read as events. ``evidence.history`` finds these modules, asks them in the order of the flow and
shows what they say. Here are the types they share, and the few ways to look rows up; nothing is judged again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.store import Store
from ocr_pipeline.tables import Table

__all__ = ["Event", "Found", "SampleRef", "Told", "clipped", "narrow_columns"]

LONGEST_TEXT: Final = 300


@dataclass(frozen=True, slots=True)
class SampleRef:
    """One sample, and the partition that it is in."""

    sample_id: str
    problem_id: str
    partition: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """What one stage did with the row."""

    stage: str
    verdict: str
    """What became of the row there: kept, dropped, or a word of the table."""
    summary: str
    """One line that says why, with the values."""
    details: tuple[Mapping[str, Any], ...] = ()
    """The stored rows it rests on, without their long text."""
    sample: SampleRef | None = None
    """In the life of a problem: the sample whose later stages belong into this line."""

    def lines(self) -> list[str]:
        """Return each of the details in one line."""
        return [
            " · ".join(f"{name} {_value(value)}" for name, value in row.items() if value not in ("", []))
            for row in self.details
        ]


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a data root, looked up by the id of a problem or a sample; a table that is not there has none."""

    store: Store

    def has(self, table: Table, partition: Mapping[str, str] | None = None) -> bool:
        """Say whether a table, or one partition of it, has been built."""
        keys = self.store.partitions(table)
        return bool(keys) if partition is None else dict(partition) in keys

    def partitions_of(self, table: Table, problem_id: str) -> list[dict[str, str]]:
        """Return the partitions that may hold rows of a problem: those of its data set."""
        dataset = problem_id.split("/", 1)[0]
        return [keys for keys in self.store.partitions(table) if keys.get("dataset", dataset) == dataset]

    def of_problem(
        self, table: Table, problem_id: str, columns: Sequence[str] | None = None
    ) -> list[tuple[dict[str, str], list[dict[str, Any]]]]:
        """Return the rows of a problem, by partition; partitions without any are left out."""
        wanted = pc.field("problem_id") == problem_id
        found = [(keys, self.rows(table, wanted, columns, **keys)) for keys in self.partitions_of(table, problem_id)]
        return [(keys, rows) for keys, rows in found if rows]

    def of_sample(self, table: Table, sample: SampleRef) -> list[dict[str, Any]]:
        """Return the rows of a sample, without their long text."""
        if not self.has(table, sample.partition):
            return []
        wanted = pc.field(table.key[0]) == sample.sample_id
        return self.rows(table, wanted, narrow_columns(table), **sample.partition)

    def rows(
        self,
        table: Table,
        condition: pc.Expression | None,
        columns: Sequence[str] | None = None,
        **partition: str,
    ) -> list[dict[str, Any]]:
        """Read the few rows that meet a condition."""
        if not any(partition.items() <= keys.items() for keys in self.store.partitions(table)):
            return []
        found: pa.Table = self.store.open(table, **partition).to_table(columns=columns, filter=condition)
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows


@dataclass(frozen=True, slots=True)
class Told:
    """How the rows of one table read as events; its place in the flow is the table's."""

    table: Table
    of_problem: Callable[[Found, str], Iterator[Event]] | None = None
    """Tells the rows of the problem with this id."""
    of_sample: Callable[[Found, SampleRef], Iterator[Event]] | None = None
    """Tells the rows of this sample."""


def narrow_columns(table: Table) -> list[str]:
    """Return the columns that are neither long text nor lists of places or results."""
    return [
        column.name
        for column in table.schema
        if not pa.types.is_large_string(column.type)
        and not (pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type))
    ]


def clipped(text: str) -> str:
    """Return a text on one line, shortened."""
    plain = " ".join(text.split())
    return plain if len(plain) <= LONGEST_TEXT else plain[: LONGEST_TEXT - 1] + "…"


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "-".join(str(part) for part in value.values())
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
