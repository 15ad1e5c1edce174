"""Which statements may be handed on, and the texts of those that the data set holds as a placeholder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.samples.options import TextPolicy
from ocr_pipeline.sources.catalogue import SOURCES
from ocr_pipeline.store import rows_of

__all__ = ["MAY_NOT_BE_HANDED_ON", "UNKNOWN_STATEMENT", "WITHHELD", "Facts", "Statements"]

WITHHELD: Final = "-"
"""What the data set holds in the place of a statement that may not be handed on."""
MAY_NOT_BE_HANDED_ON: Final = "statement_may_not_be_handed_on"
UNKNOWN_STATEMENT: Final = "statement_is_withheld"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a problem beside the data set's rows."""

    statement: str
    io_mode: str
    starter_code: str | None
    function_name: str | None


class Statements:
    """Decides by policy and licence.

    Parameters
    ----------
    policy
        Whether statements are exported whatever their licence.
    redistributable
        Data sets whose statements may be handed on; ``None``: those whose licences allow it.
    problems
        Problems of the user's own copy, for statements that the rows do not hold.
    """

    def __init__(
        self, policy: TextPolicy, redistributable: Iterable[str] | None, problems: Iterable[pa.RecordBatch] = ()
    ) -> None:
        self._policy = policy
        allowed = [name for name, source in SOURCES.items() if source.may_redistribute]
        self._allowed: AbstractSet[str] = frozenset(allowed if redistributable is None else redistributable)
        names = ("problem_id", "statement", "io_mode", "starter_code", "function_name")
        self.problems = {
            row["problem_id"]: Facts(
                row["statement"] or "", row["io_mode"] or "", row["starter_code"], row["function_name"]
            )
            for row in rows_of(problems, names)
        }

    def dataset_of(self, row: Mapping[str, Any]) -> str:
        """Return the data set whose text a row holds: that of its id, else all that it names; empty for nobody's."""
        own = str(row["problem_id"] or "").partition("/")[0]
        return own if own in SOURCES else str(row["dataset"] or "")

    def may_be_handed_on(self, row: Mapping[str, Any]) -> bool:
        """Say whether the statement of a row may leave the house; one that names no data set is the user's own."""
        datasets = filter(None, self.dataset_of(row).split(", "))
        return self._policy is TextPolicy.FULL or all(dataset in self._allowed for dataset in datasets)

    def of_row(self, row: Mapping[str, Any]) -> str:
        """Return the statement of a row of ``sft_dataset``, or the placeholder."""
        if not self.may_be_handed_on(row):
            return WITHHELD
        text = str(row["input"] or "")
        known = self.problems.get(row["problem_id"])
        return known.statement if text == WITHHELD and known is not None else text

    def why_withheld(self, row: Mapping[str, Any]) -> str:
        """Say why :meth:`of_row` gave the placeholder."""
        return UNKNOWN_STATEMENT if self.may_be_handed_on(row) else MAY_NOT_BE_HANDED_ON
