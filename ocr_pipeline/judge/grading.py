"""Graders: what calls the functions of a program that has no `main`, as at the International Olympiad in Informatics.

Grader and program are compiled apart. Of the grader's names a program reaches only those that headers promise; the others get a
suffix that nobody can guess, new for every judgement. So is the word that the grader prints last: without it the program ended
before its grader did, whatever it printed. What is open still, as both are one process, is in ``docs/threat_model.md``.
This module writes texts; compiling and running is the business of ``programs``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Grader", "hidden_removed", "last_word", "sealed"]

PLACE: Final = "ocr_judge_place_of_the_last_word"  # as long as what comes there: the compiler has counted it
ENDINGS: Final = ("exit", "_exit", "quick_exit")
START: Final = f"""#define EVAL
#include <iostream>
extern "C" int ocr_judge_main(int, char **) __asm__("main");
extern "C" int ocr_judge_flush(void *) __asm__("fflush");
extern "C" long ocr_judge_write(int, const void *, unsigned long) __asm__("write");
extern "C" [[noreturn]] void ocr_judge_leave(int) __asm__("_Exit");
extern "C" [[noreturn]] void ocr_judge_end(int status) {{
    std::cout.flush();
    ocr_judge_flush(nullptr);
    if (status == 0)
        ocr_judge_write(1, "{PLACE}", {len(PLACE)});
    ocr_judge_leave(status);
}}
extern "C" void ocr_judge_start(int count, char **arguments) {{ ocr_judge_end(ocr_judge_main(count, arguments)); }}
#line 1 "grader.cpp"
"""
DEFINED: Final = re.compile(r"^[ \t]*\.(?:globl|weak)[ \t]+([\w.$]+)[ \t]*$", re.MULTILINE)
LABEL: Final = re.compile(r"^([\w.$]+):|^[ \t]*\.set[ \t]+([\w.$]+),", re.MULTILINE)
WORD: Final = re.compile(r"[ \t]+\S+")  # what stands before the operands
SYMBOL: Final = re.compile(r"(?<![\w.$@%])[A-Za-z_.$][\w.$]*")
FUNCTION: Final = re.compile(r"^[ \t]*\.type[ \t]+([\w.$]+),[ \t]*[@%]function", re.MULTILINE)
TEXT: Final = re.compile(r"^[ \t]*\.(?:string|ascii|asciz|file|ident)\b")
SUFFIX: Final = re.compile(r"\.[0-9a-f]{32}\b")
TEMPORARY: Final = re.compile(r"[^\s:]*/cc\w{6}\.o\b")
MANGLED: Final = re.compile(r"_Z(?:T[VTIS]|GV|Z)?(?:N[VKrRO]*)?L?(\d+)")


@dataclass(frozen=True, slots=True)
class Grader:
    """A grader as C++, and the names that its headers promise; without names every function may be called."""

    code: str
    names: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The grader with what starts it and what it ends in."""
        return START + self.code


def last_word() -> str:
    """Return a new word that a grader ends with."""
    return secrets.token_hex(len(PLACE) // 2)


def sealed(assembly: str, names: Collection[str], word: str) -> str:
    """Hide the names of a compiled grader from programs, all but those promised, and let it end with a word.

    Instances of the library's templates are hidden as well: a program must not bring others for the grader.
    """
    labels = {label or alias for label, alias in LABEL.findall(assembly)}
    functions = set(FUNCTION.findall(assembly))
    hidden = {
        name
        for name in DEFINED.findall(assembly)
        if name in labels and not _is_promised(name, names, name in functions)
    }
    suffix = secrets.token_hex(16)
    renamed = {name: f"{name}.{suffix}" for name in hidden | {"main"}}
    renamed |= dict.fromkeys(ENDINGS, renamed["ocr_judge_end"]) | {"ocr_judge_start": "main"}
    lines = (
        line.replace(PLACE, word) if TEXT.match(line) else _renamed(line, renamed) for line in assembly.split("\n")
    )
    return "\n".join(lines)


def _renamed(line: str, names: Mapping[str, str]) -> str:
    """Give symbols other names; the first word of a line that is not a label is an instruction, even if it looks like one."""
    found = WORD.match(line)
    operands = found.end() if found else 0
    return line[:operands] + SYMBOL.sub(lambda symbol: names.get(symbol[0], symbol[0]), line[operands:])


def hidden_removed(said: str) -> str:
    """Take out of a linker's message what is another in every run: suffixes and the names of temporary files."""
    return SUFFIX.sub("", TEMPORARY.sub("grader.o", said))


def _is_promised(symbol: str, names: Collection[str], is_function: bool) -> bool:  # noqa: FBT001 - what the symbol is
    if symbol.startswith("ocr_judge_"):
        return False
    found = MANGLED.match(symbol)
    name = symbol[found.end() : found.end() + int(found[1])] if found else symbol
    return name in names if names else is_function and not symbol.startswith(("_ZNSt", "_ZSt"))
