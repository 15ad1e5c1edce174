"""What decided a pair, and what another threshold would change: said of duplicates and of contamination alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["another_threshold", "decider"]


def another_threshold(pair: Mapping[str, Any]) -> str:
    """Say, from the stored cosine, at which threshold the pair would be decided otherwise."""
    if pair["decision"] == "undecided":
        return "a review would decide it"
    if pair["decided_by"] != "threshold":
        return "no threshold would change that"
    if pair["decision"] in {"duplicate", "contaminated"}:
        return f"a threshold above {pair['cosine']:.4f} would let it stay"
    return f"at a threshold of {pair['cosine']:.4f} or less it would be compared"


def decider(pair: Mapping[str, Any]) -> str:
    """Say what decided, with the rule if one did."""
    if not pair["decided_by"]:
        return "undecided"
    return f"decided by {pair['decided_by']}" + (f" `{pair['rule']}`" if pair["rule"] else "")
