"""The enum columns of CodeContests: which number means which site, difficulty or language.

Two numberings are about: that of the published proto, which leaves out 5 (source) and 18 (difficulty), and the dense
one of a hub class label. Which one a file has is found out before its rows are read: from the class label's names in
the file's schema, else from numbers that only one of them has, else from Codeforces rows whose letter is known. What
stays open is not guessed: the value becomes null and is noted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ocr_pipeline.sources.model import Scan
from ocr_pipeline.sources.reading import Reading, Row
from ocr_pipeline.sources.rules import Repair
from ocr_pipeline.sources.sites import site_of

__all__ = ["LANGUAGES", "Enums", "look_up_enums"]

SOURCE_NAMES: Final = ("UNKNOWN_SOURCE", "CODECHEF", "CODEFORCES", "HACKEREARTH", "CODEJAM", "ATCODER", "AIZU")
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUV"
LEVELS: Final = ("UNKNOWN_DIFFICULTY", "EASY", "MEDIUM", "HARD", "HARDER", "HARDEST", "EXTERNAL", *LETTERS)
UNUSED_SOURCE: Final = 5
UNUSED_DIFFICULTY: Final = 18
LANGUAGES: Final[Mapping[object, str]] = {
    **dict(enumerate(("unknown", "python2", "cpp", "python", "java"))),  # the same in both numberings
    "PYTHON": "python2",
    "PYTHON2": "python2",
    "CPP": "cpp",
    "PYTHON3": "python",
    "JAVA": "java",
}


def _with_hole(names: tuple[str, ...], hole: int) -> dict[int, str]:
    return {number if number < hole else number + 1: name for number, name in enumerate(names)}


SOURCES_PROTO: Final = _with_hole(SOURCE_NAMES, UNUSED_SOURCE)
SOURCES_DENSE: Final = dict(enumerate(SOURCE_NAMES))
DIFFICULTIES_PROTO: Final = _with_hole(LEVELS, UNUSED_DIFFICULTY)
DIFFICULTIES_DENSE: Final = dict(enumerate(LEVELS))


@dataclass(frozen=True, slots=True)
class Enums:
    """The names behind the numbers of one set of files."""

    sources: Mapping[int, str]
    difficulties: Mapping[int, str]

    def site(self, value: object, row: Reading) -> str | None:
        """Return the site's short name."""
        name = self._name(value, self.sources, row)
        return site_of(None, name) if name is not None else None

    def difficulty(self, value: object, row: Reading) -> str | None:
        """Return the difficulty's name."""
        name = self._name(value, self.difficulties, row)
        return None if name is None or name.startswith("UNKNOWN") else name

    @staticmethod
    def _name(value: object, names: Mapping[int, str], row: Reading) -> str | None:
        if isinstance(value, str):
            return value.strip().upper() or None
        if isinstance(value, int) and not isinstance(value, bool) and value in names:
            return names[value]
        if value is not None:
            row.note(Repair.UNKNOWN_ENUM)
        return None


def look_up_enums(scan: Scan) -> Enums:
    """Find out which numbering the files have."""
    features = scan.features()
    named_sources, named_levels = _label_names(features.get("source")), _label_names(features.get("difficulty"))
    dense = _is_dense(scan) if named_sources is None or named_levels is None else None
    return Enums(
        sources=named_sources or _choose(SOURCES_PROTO, SOURCES_DENSE, dense=dense),
        difficulties=named_levels or _choose(DIFFICULTIES_PROTO, DIFFICULTIES_DENSE, dense=dense),
    )


def _label_names(feature: object) -> Mapping[int, str] | None:
    names = feature.get("names") if isinstance(feature, Mapping) else None
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return dict(enumerate(names))
    return None


def _is_dense(scan: Scan) -> bool | None:
    """Say which numbering the values have; ``None`` when they fit both, or neither."""
    verdicts = {_verdict(row) for row in scan.rows(("source", "difficulty", "cf_index"))} - {None}
    return verdicts.pop() if len(verdicts) == 1 else None


def _verdict(row: Row) -> bool | None:
    source, difficulty, letter = row.get("source"), row.get("difficulty"), row.get("cf_index")
    if source in (UNUSED_SOURCE, UNUSED_SOURCE + 2):
        return source == UNUSED_SOURCE
    if difficulty == UNUSED_DIFFICULTY:
        return True
    if difficulty == len(LEVELS):
        return False
    if source == SOURCE_NAMES.index("CODEFORCES") and isinstance(letter, str) and isinstance(difficulty, int):
        proto = DIFFICULTIES_PROTO.get(difficulty) == letter[:1]
        dense = DIFFICULTIES_DENSE.get(difficulty) == letter[:1]
        return dense if proto != dense else None
    return None


def _choose(proto: Mapping[int, str], dense_names: Mapping[int, str], *, dense: bool | None) -> Mapping[int, str]:
    if dense is None:
        return {number: name for number, name in proto.items() if dense_names.get(number) == name}
    return dense_names if dense else proto
