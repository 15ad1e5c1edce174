"""Chooses some of the ways to spoil a right program: mutants are programs that good tests tell from the original.

The choice depends on the program and the seed alone, and takes kinds of mistakes in turn, so that a few mutants of a long
program are not all comparisons. Whether a mutant is wrong at all only its answers can say.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocr_pipeline.quality.mutations import Edit, MutationKind, edits_of, parser_of
from ocr_pipeline.tables import Language

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Mutant", "MutationKind", "mutants_of"]

MOST_CODE_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Mutant:
    """A spoiled program."""

    code: str
    kind: MutationKind
    span: tuple[int, int]
    """The bytes of the original, in UTF-8, that are replaced."""


def mutants_of(code: str, language: str, *, limit: int, seed: int = 0) -> list[Mutant]:
    """Return at most ``limit`` mutants of a program, all different, each without a syntax error that it did not have.

    Parameters
    ----------
    code
        A right program; one that cannot be read, or is longer than 256 KiB, has no mutants.
    language
        ``python`` or ``cpp``; a program in another language has no mutants.
    limit
        Most mutants.
    seed
        Which of them, where there are more.
    """
    source = code.encode("utf-8", "surrogatepass")
    if language not in set(Language) or not source.strip() or len(source) > MOST_CODE_BYTES:
        return []
    root = parser_of(language).parse(source).root_node
    errors = _errors(root)
    if errors and language == Language.PYTHON:
        return []  # C++ of contests has macros that Tree-sitter dislikes
    found: dict[str, Mutant] = {}
    for edit in _in_turn(edits_of(root, language), source, seed):
        if len(found) >= limit:
            break
        spoiled = source[: edit.start] + edit.new + source[edit.end :]
        text = spoiled.decode("utf-8", "surrogatepass")
        if spoiled != source and text not in found and _errors(parser_of(language).parse(spoiled).root_node) <= errors:
            found[text] = Mutant(text, edit.kind, (edit.start, edit.end))
    return list(found.values())


def _in_turn(edits: Iterable[Edit], source: bytes, seed: int) -> Iterator[Edit]:
    """Yield edits so that each kind has its turn, and within a kind in an order that only the program and the seed decide."""
    salt = hashlib.sha256(b"%d %s" % (seed, hashlib.sha256(source).digest())).digest()

    def drawn(edit: Edit) -> bytes:
        place = b"%s %d %d %s" % (edit.kind.encode(), edit.start, edit.end, edit.new)
        return hashlib.sha256(salt + place).digest()

    by_kind: dict[MutationKind, list[Edit]] = {}
    for edit in sorted(edits, key=drawn):
        by_kind.setdefault(edit.kind, []).append(edit)
    turns = itertools.zip_longest(*by_kind.values())
    return (edit for turn in turns for edit in turn if edit is not None)


def _errors(root: Node) -> int:
    """Count the places that cannot be parsed."""
    if not root.has_error:
        return 0
    waiting, errors = [root], 0
    while waiting:
        node = waiting.pop()
        errors += node.is_error or node.is_missing
        waiting += [child for child in node.children if child.has_error or child.is_missing]
    return errors
