"""What another threshold would change for a pair: said of duplicates and of contamination alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["another_threshold"]


def another_threshold(pair: Mapping[str, Any]) -> str:
    """Say, from the stored cosine, at which threshold the pair would be decided otherwise."""
    if pair["decided_by"] != "threshold":
        return "no threshold would change that"
    if pair["decision"] in {"duplicate", "contaminated"}:
        return f"a threshold above {pair['cosine']:.4f} would let it stay"
    return f"a threshold of {pair['cosine']:.4f} or less would drop it"
