"""Which problem stays for which: each dropped problem has a kept witness that it is itself a duplicate of.

Chains do not drop: when A is like B and B like C, C stays unless it is like A. (Connected components at 0.7 put a third
of 3,210 real statements into one cluster in which 99 % of the pairs are below the threshold.) Problems are taken in
the documented order of :func:`preference`; one is kept unless a kept one is its duplicate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ocr_pipeline.similarity.catalogue import LONGEST_PLACEHOLDER, Entry
from ocr_pipeline.similarity.text import is_placeholder

__all__ = ["choose_witnesses", "preference"]

PERMISSIVE: Final = ("mit", "apache", "bsd", "cc0", "public domain", "unlicense")


def preference(entry: Entry) -> tuple[bool, int, int, int, bool, int, str]:
    """Return the sort key of a problem: what comes first stays.

    A statement that says something, most tests, most reference solutions, freest licence, no image that would be missing, longest statement, and the
    smallest id so that there is always one answer.
    """
    return (
        len(entry.normal) <= LONGEST_PLACEHOLDER and is_placeholder(entry.normal),
        -entry.n_tests,
        -entry.n_solutions,
        _restriction(entry.license),
        entry.has_image,
        -len(entry.statement),
        entry.problem_id,
    )


def _restriction(license_name: str) -> int:
    name = license_name.casefold()
    if any(word in name for word in PERMISSIVE):
        return 0
    return 1 if name.startswith("cc-by") else 2


def choose_witnesses(entries: Iterable[Entry], alike: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return the kept witness of each dropped problem, by problem id.

    Parameters
    ----------
    entries
        The problems that have a duplicate.
    alike
        Content key → the contents it is a duplicate of, itself among them when equal statements are duplicates.
    """
    kept: dict[str, list[Entry]] = {}
    witnesses: dict[str, str] = {}
    for entry in sorted(entries, key=preference):
        standing = [other for content in alike.get(entry.content, ()) for other in kept.get(content, ())]
        if standing:
            witnesses[entry.problem_id] = min(standing, key=preference).problem_id
        else:
            kept.setdefault(entry.content, []).append(entry)
    return witnesses
