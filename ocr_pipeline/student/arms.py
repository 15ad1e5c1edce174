"""The arms of an ablation: parts of one pool of training rows, all of the same size.

The seeds' questions are which answers teach: those that pass, those that fail, those with C++, those whose reasoning holds
code. Any other selection is an arm of its own. How the arms are trained and compared is in ``ablation``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.answers import FencePolicy, separate_text
from ocr_pipeline.errors import InputError
from ocr_pipeline.student.problems import AskedProblem
from ocr_pipeline.student.rows import TrainingRow, read_rows
from ocr_pipeline.tables import Language
from ocr_pipeline.tasks import Wording

__all__ = ["CONTRASTS", "Arm", "PoolRow", "equal_arms", "read_pool"]


class Arm(StrEnum):
    """A part of the pool that the papers ask about."""

    ALL = "all"
    PASSING = "passing"
    """Answers that pass every test."""
    FAILING = "failing"
    """Answers that fail a test, also for want of a checker; what was not run is in neither."""
    WITH_CPP = "with_cpp"
    """Both languages, mixed as they come."""
    WITHOUT_CPP = "without_cpp"
    CODE_IN_REASONING = "code_in_reasoning"
    NO_CODE_IN_REASONING = "no_code_in_reasoning"
    """What the first paper keeps."""


CONTRASTS: Final = (
    (Arm.PASSING, Arm.ALL),
    (Arm.FAILING, Arm.ALL),
    (Arm.FAILING, Arm.PASSING),
    (Arm.WITH_CPP, Arm.WITHOUT_CPP),
    (Arm.NO_CODE_IN_REASONING, Arm.CODE_IN_REASONING),
    (Arm.NO_CODE_IN_REASONING, Arm.ALL),
)
"""Which arms are compared: left minus right."""


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A training row, and what decides its arms."""

    row: TrainingRow
    pass_rate: float | None
    reasoning_holds_code: bool

    def is_in(self, arm: Arm) -> bool:
        """Whether the row is of an arm; passing, failing and code are asked of Python and C++ alike."""
        match arm:
            case Arm.PASSING:
                return self.pass_rate == 1.0
            case Arm.FAILING:
                return self.pass_rate is not None and self.pass_rate < 1.0
            case Arm.WITHOUT_CPP:
                return self.row.language is not Language.CPP
            case Arm.CODE_IN_REASONING:
                return self.reasoning_holds_code
            case Arm.NO_CODE_IN_REASONING:
                return not self.reasoning_holds_code
            case _:
                return True


def read_pool(
    batches: Iterable[pa.RecordBatch],
    problems: Mapping[str, AskedProblem],
    wording: Wording,
    languages: Collection[Language] = (),
) -> Iterator[PoolRow]:
    """Read rows of ``sft_dataset`` that have a statement, of these languages or of all.

    Whether reasoning holds code is read out of the answer.
    """
    for batch in batches:
        rows = read_rows([batch], problems, wording=wording)
        for row, record in zip(rows, batch.select(["pass_rate"]).to_pylist(), strict=True):
            if row.is_usable and (not languages or row.language in languages):
                parts = separate_text(row.completion.encode("utf-8", "replace"), row.language, FencePolicy.LAST)
                yield PoolRow(row, record["pass_rate"], parts.reasoning_has_code)


def equal_arms(
    pool: Sequence[PoolRow],
    named: Mapping[str, Sequence[TrainingRow]],
    *,
    wanted: Sequence[Arm] = (),
    size: int | None = None,
    seed: int = 0,
) -> dict[str, tuple[TrainingRow, ...]]:
    """Return the arms, all of one size, drawn by the seed and not by the order of the rows.

    Parameters
    ----------
    pool
        Rows that the arms are parts of.
    named
        More arms, by name.
    wanted
        Which parts; empty: all that are not empty. Without C++ in the pool there is nothing to compare with and without.
    size
        Rows of each arm; ``None``: those of the smallest.

    Raises
    ------
    InputError
        When a wanted arm is empty or smaller than the size.
    """
    parts: dict[str, list[TrainingRow]] = {
        arm.value: [each.row for each in pool if each.is_in(arm)] for arm in wanted or _told_apart(pool)
    }
    parts |= {name: list(rows) for name, rows in named.items()}
    smallest = min(parts, key=lambda name: len(parts[name]), default=None)
    if smallest is None or len(parts) < 2:  # noqa: PLR2004 - a comparison
        raise InputError("an ablation needs two arms with rows; give other rows, --arm or --selection")
    count = size or len(parts[smallest])
    if len(parts[smallest]) < count or not count:
        raise InputError(f"the arm {smallest} has {len(parts[smallest])} rows, {count} are wanted; lower arm_rows")
    return {name: tuple(_drawn(rows, count, seed)) for name, rows in parts.items()}


def _told_apart(pool: Sequence[PoolRow]) -> list[Arm]:
    """Return the arms that differ from the whole pool and are not empty, and the whole pool."""
    sizes = {arm: sum(each.is_in(arm) for each in pool) for arm in Arm}
    real = {arm for arm, count in sizes.items() if 0 < count < len(pool)}
    if Arm.WITHOUT_CPP in real:
        real.add(Arm.WITH_CPP)
    compared = set(chain.from_iterable(pair for pair in CONTRASTS if set(pair) <= real | {Arm.ALL}))
    return [arm for arm in Arm if arm in compared]


def _drawn(rows: Sequence[TrainingRow], count: int, seed: int) -> list[TrainingRow]:
    def draw(row: TrainingRow) -> Any:  # noqa: ANN401 - bytes to sort by
        return hashlib.sha256(f"{seed}:{row.row_id}".encode()).digest()

    return sorted(rows, key=draw)[:count]
