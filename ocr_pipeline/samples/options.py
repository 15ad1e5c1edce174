"""What this room can be asked: how responses come apart, and which samples a data set holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Self

from pydantic import field_validator, model_validator

from ocr_pipeline.answers import FencePolicy
from ocr_pipeline.mixing import read_weights
from ocr_pipeline.options import Options, option

__all__ = ["BANDS", "UNMEASURED", "Execution", "SampleConfig", "SelectionConfig", "TextPolicy"]

UNMEASURED: Final = "unmeasured"
BANDS: Final = ("strong", "fair", "weak", UNMEASURED)


class SampleConfig(Options):
    """How responses come apart."""

    fence_policy: FencePolicy = option(
        FencePolicy.LAST, "Which of several programs in the asked language is taken", also="fence"
    )
    think_tags: tuple[str, str] | None = option(
        None, "Opening and closing tag of the reasoning, beside the known ones", also="think_tag"
    )
    ask_compilers: bool = option(
        True, "Confirm Python by CPython and flags on C++ by g++; otherwise Tree-sitter alone decides"
    )
    check_compiles: bool = option(True, "Ask g++ about every kept C++ program whether it compiles")

    @field_validator("think_tags", mode="before")
    @classmethod
    def _is_a_pair(cls, tags: Sequence[str] | None) -> Sequence[str] | None:
        if tags is not None and (len(tags) != 2 or not all(tags)):  # noqa: PLR2004 - a pair
            message = f"think_tags must be an opening and a closing tag, got {list(tags)}"
            raise ValueError(message)
        return tags


class Execution(StrEnum):
    """Which samples stay, by what the tests said."""

    ALL = "all"
    PASSING = "passing"
    FAILING = "failing"


class TextPolicy(StrEnum):
    """What replaces a statement whose licence forbids handing it on."""

    PLACEHOLDER = "placeholder"
    FULL = "full"


class SelectionConfig(Options):
    """What the data set holds; the defaults are the paper's: no execution filter, no reasoning with code blocks."""

    execution: Execution = option(Execution.ALL, "Which samples stay, by what the tests said")
    pass_rate_min: float | None = option(None, "Lowest pass rate that stays", ge=0, le=1)
    pass_rate_max: float | None = option(None, "Highest pass rate that stays", ge=0, le=1)
    min_tnr: float | None = option(
        None,
        "Of samples that pass, only those whose problem's tests catch at least this share of wrong programs",
        ge=0,
        le=1,
    )
    min_tpr: float | None = option(
        None,
        "Of samples that fail, only those whose problem's tests let pass at least this share of right programs",
        ge=0,
        le=1,
    )
    trust_shares: tuple[str, ...] = option(
        (),
        "BAND=SHARE, again for each: of samples that pass, the share that stays by trust in the tests, which is strong, "
        "fair, weak or unmeasured; a hash of the id says which",
    )
    drop_reasoning_with_code: bool = option(True, "Drop reasoning that holds a code block")
    drop_duplicates: bool = option(
        False, "Keep one sample per distinct program of a problem; the paper keeps all, for their reasonings differ"
    )
    drop_loops: bool = option(True, "Drop what ends in a cycle")
    drop_not_compiling: bool = option(True, "Drop programs that the compiler of their language rejects")
    repeated_share_max: float | None = option(
        None, "Drop reasoning of which more than this share of 20-word sequences occurs more than once", ge=0, le=1
    )
    samples_per_problem_max: int | None = option(
        None, "Keep so many samples of a problem, chosen by sample id: ids are hashes, so the choice is fair", ge=1
    )
    mix: tuple[str, ...] = option(
        (), "MODEL=WEIGHT: the part of a teacher, in exact counts, again for each; none: all that the other rules keep"
    )
    mix_rows: int | None = option(None, "Rows of the mix; none: as many as the scarcest teacher allows", ge=1)
    mix_seed: int = option(0, "Which rows the mix draws")
    text_policy: TextPolicy = option(
        TextPolicy.PLACEHOLDER, "What replaces a statement whose licence forbids handing it on"
    )

    redistributable: tuple[str, ...] | None = option(
        None, "Data set whose statements may be handed on, again for each; none: those whose licences allow it"
    )

    @model_validator(mode="after")
    def _band_is_ordered(self) -> Self:
        low, high = self.pass_rates
        if low > high:
            message = f"pass_rate_min must be at most pass_rate_max, got {low:g} and {high:g}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _shares_are_read(self) -> Self:
        self.shares  # noqa: B018 - makes sure that they can be read
        return self

    @model_validator(mode="after")
    def _mix_is_read(self) -> Self:
        read_weights(self.mix)
        if self.mix_rows is not None and not self.mix:
            message = f"mix_rows is {self.mix_rows}, but there is no mix; give mix, such as MODEL=1"
            raise ValueError(message)
        return self

    @property
    def pass_rates(self) -> tuple[float, float]:
        """The band of pass rates that stays, ends included."""
        return self.pass_rate_min or 0.0, 1.0 if self.pass_rate_max is None else self.pass_rate_max

    @property
    def needs_execution(self) -> bool:
        """Whether a sample that was not run can be judged by this selection."""
        return self.execution is not Execution.ALL or self.pass_rate_min is not None or self.pass_rate_max is not None

    @property
    def needs_trust(self) -> bool:
        """Whether it matters how good the tests are."""
        return self.min_tnr is not None or self.min_tpr is not None or bool(self.trust_shares)

    @property
    def shares(self) -> dict[str, float]:
        """The share of passing samples that stays, by band."""
        shares: dict[str, float] = {}
        for band, share in map(_read_share, self.trust_shares):
            if band in shares:
                message = f"trust_shares must be given once for each band, got {band} twice"
                raise ValueError(message)
            shares[band] = share
        return shares


def _read_share(text: str) -> tuple[str, float]:
    band, _, amount = text.partition("=")
    try:
        share = float(amount)
    except ValueError:
        share = math.nan
    if band not in BANDS or not 0 <= share <= 1:
        message = f"trust_shares must be a band ({', '.join(BANDS)}), = and a share from 0 to 1, got `{text}`"
        raise ValueError(message)
    return band, share
