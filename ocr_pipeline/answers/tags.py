"""The words behind the opening of a fence, and the language that they name.

Models write versions (``gnu++17``), file names (``main.cpp``), attributes (``{.python}``) and both names of a family
(``C/C++``). The first word that is known decides. Where fences begin and end is not known here.
"""

from __future__ import annotations

import functools
import re
from typing import Final, NamedTuple

from ocr_pipeline.tables import Language

__all__ = ["NO_TAG", "OTHER_TAGS", "Tag", "says", "tag_of"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LANGUAGE_TAGS: Final = {
    Language.PYTHON: _words(
        "python python3 python2 py py3 py2 py3k pypy pypy3 cpython ipython ipython3 pycon pyi pyw pyrepl sage sagemath "
        "ipynb jupyter notebook micropython cython"
    ),
    Language.CPP: _words(
        "cpp c++ cxx cc c hpp hxx hh h h++ cplusplus cplus cpp0x c++0x c++1y c++1z c++2a c++2b g++ gcc gnu++ gnuc++ gnucpp "
        "gnu++0x gnu++1z gnu++2a clang clang++ msvc arduino ino"
    ),
}
"""What models write behind the opening of a fence, by language; a version behind it is left out before."""
OTHER_TAGS: Final = _words(
    "java javascript js jsx typescript ts tsx go golang rust rs csharp cs kotlin kt ruby rb php swift scala haskell hs "
    "pascal delphi perl pl r julia jl lua dart ocaml ml fsharp elixir erlang clojure lisp scheme racket prolog matlab "
    "octave fortran ada nim zig vb vbnet objectivec groovy asm nasm verilog sql bash sh shell zsh console terminal "
    "powershell cmd bat json yaml yml toml xml html css csv ini makefile cmake dockerfile diff patch mermaid latex tex math "
    "text txt plaintext plain output stdout input stdin result pseudocode pseudo algorithm log trace none"
)
"""Words that name something that is neither of our languages."""
MARKDOWN: Final = frozenset({"markdown", "md", "mdx"})
SHARP: Final = (("c#", "csharp"), ("f#", "fsharp"), ("objective-c", "objectivec"))  # before "#" and "-" end a word
WORD: Final = re.compile(r"[^\s,:;=(){}\[\]<>|#*\"'`]+")
PART: Final = re.compile(r"[^/\\_-]+")
VERSION: Final = "0123456789.-"
MOST_WORDS: Final = 8


class Tag(NamedTuple):
    """What is behind an opener: its word, and the language it names, if it is one of ours."""

    word: str
    language: Language | None = None
    is_other: bool = False
    """It names another language, or data and output."""
    is_markdown: bool = False

    @property
    def is_known(self) -> bool:
        """Whether the word is one that names the content of a fence."""
        return self.language is not None or self.is_other or self.is_markdown


NO_TAG: Final = Tag("")


@functools.lru_cache(1 << 12)
def tag_of(info: bytes) -> Tag:
    """Return what an info string says, by the first word that is known; a word that nobody knows says nothing."""
    text = info.decode("utf-8", "replace").lower()
    for sharp, name in SHARP:
        text = text.replace(sharp, name)
    words = [word.strip(".") for word in WORD.findall(text)[:MOST_WORDS]]
    for word in words:
        if (tag := _known(word)) is not None:
            return tag
    return Tag(next(filter(None, words), ""))


def says(tag: str, language: Language) -> bool:
    """Tell that the words behind a fence name the language: ``c++23``, ``python3.11``, ``solution.py``."""
    return tag_of(tag.encode()).language is language


def _known(word: str) -> Tag | None:
    """Look a word up, then without its version, then as a file name, then the parts of ``C/C++``."""
    name = word.removeprefix("language-").removeprefix("lang-")
    for candidate in (name, name.rstrip(VERSION), name.rpartition(".")[2], *PART.findall(name)):
        for language, tags in LANGUAGE_TAGS.items():
            if candidate in tags or candidate.rstrip(VERSION) in tags:
                return Tag(name, language)
        if candidate in OTHER_TAGS:
            return Tag(name, is_other=True)
        if candidate in MARKDOWN:
            return Tag(name, is_markdown=True)
    return None
