"""Judge the syntax of code: Tree-sitter for both languages, then the language's own compiler where it is needed.

Tree-sitter says where an error stands; it misses much of what CPython rejects and dislikes macros that g++ accepts.
So Python is always confirmed by ``compile``, and a flag on C++ by g++, before a row is dropped. Both opinions are
kept. What the program does is not looked at here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ocr_pipeline.answers import OTHER_TAGS, says
from ocr_pipeline.samples.compilers import Opinion, check_cpp, python_compiler
from ocr_pipeline.samples.verdicts import SyntaxVerdict
from ocr_pipeline.tables import Language

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Tree

__all__ = ["Source", "SyntaxReport", "judge_syntax"]

MOST_CODE_BYTES: Final = 1 << 20
MOST_COMMENTS: Final = 64  # at the top of a source; more than that is not looked through
PYTHON2_MESSAGES: Final = (
    "Missing parentheses in call to",
    "multiple exception types must be parenthesized",
    "leading zeros in decimal",
)
PYTHON2_LINE: Final = re.compile(
    rb"^\s*print\b(?!\s*\()|^\s*print\s*\(.*\)\s*%|^\s*exec\s+[^(=]|^\s*except\s+[\w.()\s,]+,\s*\w+\s*:|^\s*raise\s+[\w.]+\s*,"
    rb"|<>|`[^`]+`|\b\d+[lL]\b|\b0[0-7]+\b|\b[uU][rR]['\"]|\bprint\s*>>"
)
OTHER_LANGUAGES: Final = re.compile(
    rb"^\s*(?:public\s+(?:static|class|final)|import\s+java|package\s+\w+;?\s*$|func\s+main\s*\(|fn\s+main\s*\(|"
    rb"(?:const|let|var)\s+[\w{\[,\s\]}]+=|function\s*\w*\s*\(|using\s+System|#include\b|using\s+namespace\b|"
    rb"(?:int|void|auto)\s+main\s*\()|console\.log\(|System\.out\.|std::|require\(['\"]",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Source:
    """Code of a response, the language that was asked for, and the word behind its fence."""

    code: bytes
    language: Language | None
    tag: str = ""
    is_kept: bool = False
    """Nothing else speaks against the sample, so it is worth asking whether the whole program compiles."""


@dataclass(frozen=True, slots=True)
class SyntaxReport:
    """The verdict on one source, both opinions, and the place of the first error, from 1 and in bytes."""

    verdict: SyntaxVerdict
    tree_sitter_ok: bool = False
    compiler_ok: bool | None = None
    line: int | None = None
    column: int | None = None
    compiles: bool | None = None
    """What the compiler says of the whole program, names and types too."""


@dataclass(frozen=True, slots=True)
class _Parse:
    """What Tree-sitter found; trees are 47 times their source, so nothing of them is kept."""

    is_ok: bool
    is_empty: bool
    line: int | None = None
    column: int | None = None


def judge_syntax(
    sources: Sequence[Source], *, ask_compilers: bool = True, check_compiles: bool = True
) -> Iterator[SyntaxReport]:
    """Yield one report per source, in order.

    The Python sources are compiled by a worker process while this one parses. Without compilers Tree-sitter's opinion
    decides on Python, and on C++ nothing is dropped.
    """
    python = [source.code for source in sources if _is_judged(source) and source.language is Language.PYTHON]
    if ask_compilers and python:
        python_compiler().ask(python)
    parses = [_parse(source.code, source.language) if _is_judged(source) else None for source in sources]
    opinions = iter(list(python_compiler().answers()) if ask_compilers and python else [])
    for source, parsed in zip(sources, parses, strict=True):
        if parsed is None:
            yield SyntaxReport(_unjudged(source))
        elif source.language is Language.PYTHON:
            yield _judge_python(source, parsed, next(opinions, None))
        else:
            yield _judge_cpp(source, parsed, ask_compilers=ask_compilers, check_compiles=check_compiles)


def _is_judged(source: Source) -> bool:
    return source.language is not None and len(source.code) <= MOST_CODE_BYTES


def _unjudged(source: Source) -> SyntaxVerdict:
    return SyntaxVerdict.UNSUPPORTED if source.language is None else SyntaxVerdict.TOO_LARGE


def _judge_python(source: Source, parsed: _Parse, opinion: Opinion | None) -> SyntaxReport:
    if opinion is None:
        opinion = Opinion(accepted=None, line=parsed.line, column=parsed.column)
    accepted = parsed.is_ok if opinion.accepted is None else opinion.accepted
    if parsed.is_empty and accepted:
        return SyntaxReport(SyntaxVerdict.EMPTY, parsed.is_ok, opinion.accepted)
    if accepted:
        return SyntaxReport(SyntaxVerdict.OK, parsed.is_ok, opinion.accepted, compiles=opinion.accepted)
    verdict = _python_failure(source, parsed, opinion)
    line, column = (opinion.line, opinion.column) if opinion.line else (parsed.line, parsed.column)
    return SyntaxReport(verdict, parsed.is_ok, opinion.accepted, line, column)


def _python_failure(source: Source, parsed: _Parse, opinion: Opinion) -> SyntaxVerdict:
    if _is_python2(source.code, parsed, opinion):
        return SyntaxVerdict.PYTHON2
    if source.tag in OTHER_TAGS or says(source.tag, Language.CPP) or OTHER_LANGUAGES.search(source.code):
        return SyntaxVerdict.WRONG_LANGUAGE
    return SyntaxVerdict.ERROR


def _is_python2(code: bytes, parsed: _Parse, opinion: Opinion) -> bool:
    """Tell Python 2 from broken Python 3: its grammar is known to Tree-sitter, and the rejected line is of its kind."""
    if not parsed.is_ok or opinion.line is None:
        return False
    lines = code.split(b"\n")
    line = lines[opinion.line - 1] if opinion.line <= len(lines) else b""
    return opinion.message.startswith(PYTHON2_MESSAGES) or PYTHON2_LINE.search(line) is not None


def _judge_cpp(source: Source, parsed: _Parse, *, ask_compilers: bool, check_compiles: bool) -> SyntaxReport:
    if parsed.is_empty:
        return SyntaxReport(SyntaxVerdict.EMPTY, parsed.is_ok)
    if not ask_compilers:
        return SyntaxReport(SyntaxVerdict.OK, parsed.is_ok)
    if parsed.is_ok:
        compiles = check_cpp(source.code).accepted if check_compiles and source.is_kept else None
        return SyntaxReport(SyntaxVerdict.OK, parsed.is_ok, compiles=compiles)
    if _is_python(source.code):
        return SyntaxReport(SyntaxVerdict.WRONG_LANGUAGE, parsed.is_ok, None, parsed.line, parsed.column)
    opinion = check_cpp(source.code)
    if opinion.accepted is not False:
        return SyntaxReport(SyntaxVerdict.OK, parsed.is_ok, opinion.accepted, compiles=opinion.accepted)
    line, column = (opinion.line, opinion.column) if opinion.line else (parsed.line, parsed.column)
    return SyntaxReport(_cpp_failure(source), parsed.is_ok, opinion.accepted, line, column)


def _cpp_failure(source: Source) -> SyntaxVerdict:
    is_other = source.tag in OTHER_TAGS or says(source.tag, Language.PYTHON)
    return SyntaxVerdict.WRONG_LANGUAGE if is_other else SyntaxVerdict.ERROR


def _is_python(code: bytes) -> bool:
    compiler = python_compiler()
    compiler.ask([code])
    return bool(next(compiler.answers()).accepted)


def _parse(code: bytes, language: Language | None) -> _Parse:
    assert language is not None  # noqa: S101 - for the type checker: sources without a language are not parsed
    tree = _parser(language).parse(code)
    root = tree.root_node
    first = (root.child(number) for number in range(min(root.child_count, MOST_COMMENTS)))  # `children` makes them all
    is_empty = root.child_count < MOST_COMMENTS and all(child is not None and _says_nothing(child) for child in first)
    if not root.has_error:
        return _Parse(is_ok=True, is_empty=is_empty)
    line, column = _first_error(tree)
    return _Parse(False, is_empty, line, column)  # noqa: FBT003 - the order is the one above


def _says_nothing(node: Node) -> bool:
    """Tell that a top-level node is a comment or, in Python, a lone string."""
    if node.type == "comment":
        return True
    return node.type == "expression_statement" and node.child_count == 1 and node.children[0].type == "string"


def _first_error(tree: Tree) -> tuple[int, int]:
    """Walk only where Tree-sitter says that an error is below."""
    cursor = tree.walk()
    while True:
        node = cursor.node
        assert node is not None  # noqa: S101 - for the type checker: a cursor is on a node
        if node.is_error or node.is_missing:
            return node.start_point.row + 1, node.start_point.column + 1
        if node.has_error and cursor.goto_first_child():
            continue
        if not cursor.goto_next_sibling():
            return node.start_point.row + 1, node.start_point.column + 1


@functools.cache
def _parser(language: Language) -> Parser:
    import tree_sitter
    import tree_sitter_cpp
    import tree_sitter_python

    grammar = tree_sitter_python if language is Language.PYTHON else tree_sitter_cpp
    return tree_sitter.Parser(tree_sitter.Language(grammar.language()))
