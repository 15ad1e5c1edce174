"""What becomes of one row of the input: a row of a file, or a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Either a reason, or what is written into which file, and what a draw goes by."""

    reason: str | None
    key: str = ""
    facets: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
