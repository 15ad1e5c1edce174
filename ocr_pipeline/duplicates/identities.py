"""Which problems with one text are not taken for one problem: their origins or their known answers contradict each other.

A content whose problems contradict each other is split into parts, which are then compared as different texts are. A text
that many problems of one judge have, or that says nothing, is a placeholder: its problems are alone, and are only found
again by their origins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ocr_pipeline.duplicates.decisions import contradicts
from ocr_pipeline.similarity.cases import Cases
from ocr_pipeline.similarity.catalogue import Catalogue, Entry
from ocr_pipeline.similarity.evidence import Facts, read_facts
from ocr_pipeline.similarity.profile import Profile, compare_profiles, read_profile

__all__ = ["split_contents"]

MOST_ORIGINS: Final = 8
"""Of one judge, for one text: rounds share problems, but not so often."""
MOST_PARTS: Final = 20


def split_contents(catalogue: Catalogue, cases: Mapping[str, Cases]) -> Catalogue:
    """Split contents whose problems contradict each other, and add the problems that say nothing as parts of their own."""
    contents: dict[str, Sequence[str]] = {}
    alone: list[str] = list(catalogue.silent_ids)
    for content, ids in catalogue.contents.items():
        parts = _parts(catalogue, content, cases) if len(ids) > 1 else [ids]
        if parts is None:
            alone += ids
        else:
            contents |= {_name(content, number): part for number, part in enumerate(parts)}
    numbers: Counter[str] = Counter()
    silent = {}
    for problem_id in sorted(alone):
        content = catalogue.entries[problem_id].content
        silent[_name(content, numbers[content])] = [problem_id]
        numbers[content] += 1
    contents = dict(sorted((contents | silent).items()))
    return Catalogue(_renamed(catalogue, contents), contents, sorted(alone), frozenset(silent))


def _name(content: str, number: int) -> str:
    return f"{content}/{number}" if number else content


def _renamed(catalogue: Catalogue, contents: Mapping[str, Sequence[str]]) -> dict[str, Entry]:
    parts = {one: name for name, ids in contents.items() if "/" in name for one in ids}
    return {
        problem_id: replace(entry, content=parts[problem_id]) if problem_id in parts else entry
        for problem_id, entry in catalogue.entries.items()
    }


def _parts(catalogue: Catalogue, content: str, cases: Mapping[str, Cases]) -> list[list[str]] | None:
    """Return the problems that do not contradict the first of their part; ``None`` when the text is a placeholder."""
    ids = catalogue.contents[content]
    judges = Counter(one.partition(":")[0] for one in catalogue.origins(content))
    if max(judges.values(), default=0) > MOST_ORIGINS:
        return None
    parts: list[tuple[Profile, list[str]]] = []
    for problem_id, profile in _profiles(
        catalogue, ids, read_facts(catalogue.statement(content), catalogue.text(content)), cases
    ):
        for first, part in parts:
            if not contradicts(compare_profiles(first, profile, cosine=1.0, lexical=1.0)):
                part.append(problem_id)
                break
        else:
            parts.append((profile, [problem_id]))
            if len(parts) > MOST_PARTS:
                return None
    return [part for _, part in parts]


def _profiles(
    catalogue: Catalogue, ids: Sequence[str], facts: Facts, cases: Mapping[str, Cases]
) -> Iterator[tuple[str, Profile]]:
    for one in ids:
        yield one, read_profile(facts, [catalogue.entries[one]], [cases[one]] if one in cases else [])
