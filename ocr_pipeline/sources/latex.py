r"""LaTeX statements of problem packages as text that a person, or a model, reads.

Comments and pictures are left out, ``\input``, ``\problemname``, constants and the author's own macros are resolved,
headings, lists and tables become lines, accents become letters. Formulas and listings stay as they are. This is no
typesetter: of a command that is not known only its argument stays.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Sources", "is_latex", "plain_text"]

LATEX: Final = re.compile(r"\\(?:problemname|begin|section|input|textbf|emph|includegraphics|illustration)\b")
DEEPEST: Final = 8  # files that include files; macros that use macros
LONGEST: Final = 1 << 20  # characters: macros that double themselves end here
BRACED: Final = r"\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}"  # an argument with up to two levels of braces in it
OPTIONS: Final = r"(?:\s*\[[^\]\n]*\])*"
INPUT: Final = re.compile(
    r"\\(?:input|include|subfile)(?![A-Za-z])\s*(?:\{([^{}\n]+)\}|([\w./-]+))|\\import\s*\{([^{}\n]*)\}\s*\{([^{}\n]+)\}"
)
BLOCKS_LEFT_OUT: Final = re.compile(
    r"\\begin\s*\{(comment|figure\*?|wrapfigure|floatingfigure|tikzpicture|picture|asy|center)\}(?:(?!\\begin\s*\{\1\}).)*?\\end\s*\{\1\}"
    r"|\\iffalse\b.*?\\fi\b",
    re.DOTALL,
)
PICTURE: Final = re.compile(
    r"\\(?:includegraphics|includesvg|illustration|epsfig|psfig|centerline\s*\{\s*\\includegraphics)\b"
)
PICTURE_COMMANDS: Final = re.compile(
    rf"\\illustration\s*{BRACED}\s*{BRACED}\s*{BRACED}"
    rf"|\\(?:includegraphics|includesvg|epsfig|psfig|graphicspath)\*?{OPTIONS}\s*{BRACED}"
)
LEFT_OUT: Final = re.compile(
    rf"\\(?:label|cite|vspace|hspace|vskip|hskip|setlength|usepackage|documentclass|pagestyle|todo|marginpar|markright"
    rf"|setcounter|addtocounter|hypersetup|captionsetup)\*?{OPTIONS}(?:\s*{BRACED})*"
)
MACRO: Final = re.compile(
    rf"\\(?:re|provide)?(?:newcommand|command)\*?\s*\{{?\s*\\([A-Za-z]+)\s*\}}?\s*(?:\[(\d)\])?\s*{BRACED}"
    rf"|\\def\s*\\([A-Za-z]+)\s*{BRACED}"
)
CONSTANT: Final = re.compile(r"\\constants?\s*\{\s*([\w.-]+)\s*\}|\{\{\s*([A-Za-z_][\w.-]*)\s*\}\}")
NAME: Final = re.compile(rf"\\problemname\s*{BRACED}")
LISTING: Final = re.compile(
    r"\\begin\s*\{(verbatim\*?|Verbatim|lstlisting|minted)\}(?:\[[^\]]*\])?(.*?)\\end\s*\{\1\}|\\verb\*?([^\sA-Za-z0-9])(.*?)\3",
    re.DOTALL,
)
FORMULA: Final = re.compile(
    r"\$\$.+?\$\$|\$(?:\\.|[^$\\])+\$|\\\[.+?\\\]|\\\(.+?\\\)"
    r"|\\begin\s*\{((?:equation|align|eqnarray|gather|displaymath|math|multline)\*?)\}.+?\\end\s*\{\1\}",
    re.DOTALL,
)
HEADING: Final = re.compile(rf"\\(?:part|chapter|(?:sub)*section|paragraph|subparagraph)\*?{OPTIONS}\s*{BRACED}")
NAMED_BLOCKS: Final = {"Input": "Input", "Output": "Output", "Interaction": "Interaction", "Note": "Note"} | {
    "Notes": "Note",
    "Scoring": "Scoring",
    "Constraints": "Constraints",
    "Explanation": "Explanation",
}
SECTION_COMMANDS: Final = {
    "InputFile": "Input",
    "OutputFile": "Output",
    "Interaction": "Interaction",
    "Note": "Note",
} | {
    "Scoring": "Scoring",
    "Explanation": "Explanation",
}
BEGIN_OR_END: Final = re.compile(r"\\(begin|end)\s*\{([A-Za-z]+)\*?\}")
TABLES: Final = re.compile(r"\\begin\s*\{(tabular|tabularx|longtable|array)\*?\}(.*?)\\end\s*\{\1\*?\}", re.DOTALL)
TABLE_START: Final = re.compile(rf"\A(?:\s*\[[^\]]*\])?(?:\s*{BRACED}){{1,2}}")
LINK: Final = re.compile(rf"\\href\s*{BRACED}\s*{BRACED}")
FOOTNOTE: Final = re.compile(rf"\\footnote\s*{BRACED}")
ACCENT: Final = re.compile(
    r"\\(?:([\"'`^~=.])\s*|([cvrHu])\s+(?=[A-Za-z])|([cvrHu])(?=\s*\{))(?:\{\s*\\?([A-Za-z])\s*\}|\\?([A-Za-z]))"
)
ACCENTS: Final = dict(
    zip("\"'`^~=.cvrHu", "\u0308\u0301\u0300\u0302\u0303\u0304\u0307\u0327\u030c\u030a\u030b\u0306", strict=True)
)
LETTERS: Final = {
    "ss": "ß",
    "o": "ø",
    "O": "Ø",
    "aa": "å",
    "AA": "Å",
    "ae": "æ",
    "AE": "Æ",
    "oe": "œ",
    "l": "ł",
    "L": "Ł",
}
LETTER: Final = re.compile(rf"\\({'|'.join(sorted(LETTERS, key=len, reverse=True))})(?![A-Za-z])(?:\s*\{{\}}|\s)?")
SIGNS: Final = {
    "ldots": "...",
    "dots": "...",
    "textellipsis": "...",
    "textbackslash": "\\",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "textbar": "|",
    "textless": "<",
    "textgreater": ">",
    "textquotesingle": "'",
    "copyright": "©",
    "degree": "°",
    "euro": "€",
    "pounds": "£",
    "S": "§",
    "LaTeX": "LaTeX",
    "TeX": "TeX",
    "newline": "\n",
    "par": "\n\n",
    "quad": " ",
    "qquad": " ",
    "item": "\n- ",
}
SIGN: Final = re.compile(rf"\\({'|'.join(sorted(SIGNS, key=len, reverse=True))})(?![A-Za-z])(?:\s*\{{\}})?[ \t]?")
ITEM_NAME: Final = re.compile(r"\n- \[([^\]\n]*)\]")
ESCAPED: Final = {"%": "%", "&": "&", "#": "#", "_": "_", "$": "$", "{": "\ue001", "}": "\ue002", " ": " ", ",": " "}
ESCAPE: Final = re.compile(r"\\([%&#_${} ,])")
COMMAND: Final = re.compile(rf"\\[A-Za-z@]+\*?{OPTIONS}[ \t]?|\\[^A-Za-z\s]")
TYPOGRAPHY: Final = (
    ("---", "\u2014"),
    ("--", "\u2013"),
    ("``", '"'),
    ("''", '"'),
    ("<<", '"'),
    (">>", '"'),
    ("~", " "),
)
KEPT: Final = re.compile("\ue000(\\d+)\ue000")


@dataclass(frozen=True, slots=True)
class Sources:
    """What a statement refers to: other files, the package's constants, and its name."""

    read: Callable[[str], str | None] = lambda _: None
    """Returns a file beside the statement by its name, or ``None``."""
    constants: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


def is_latex(text: str) -> bool:
    """Say whether a statement is written in LaTeX."""
    return LATEX.search(text) is not None


def plain_text(source: str, sources: Sources | None = None) -> str:
    """Return a LaTeX statement as text."""
    sources = sources or Sources()
    kept = _Kept()
    text = _with_inputs(source.replace("\r\n", "\n"), sources, kept, DEEPEST)
    text = text.partition("\\end{document}")[0].rpartition("\\begin{document}")[2]
    text = _with_constants(_with_macros(text), sources)
    text = _without_pictures(text)
    text = FORMULA.sub(lambda match: kept.keep(match[0]), text)
    text = LEFT_OUT.sub("", _with_lines(text, sources))
    text = _with_signs(text)
    return kept.give_back(_tidy(text)).strip("\n")


class _Kept:
    """Keeps formulas and listings as they are while the text around them changes."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def keep(self, text: str) -> str:
        self._texts.append(text)
        return f"\ue000{len(self._texts) - 1}\ue000"

    def give_back(self, text: str) -> str:
        while KEPT.search(text):  # a listing may be in a formula
            text = KEPT.sub(lambda match: self._texts[int(match[1])], text)
        return text


def _with_inputs(source: str, sources: Sources, kept: _Kept, depth: int) -> str:
    """Return a file without its comments, with the files it includes in their place."""
    listed = LISTING.sub(lambda match: kept.keep(match[2] if match[1] else match[4]), source.replace("\ue000", ""))
    text = _without_comments(listed)

    def included(match: re.Match[str]) -> str:
        name = match[1] or match[2] or f"{match[3]}{match[4]}"
        content = sources.read(name.strip()) if depth else None
        return "" if content is None else _with_inputs(content, sources, kept, depth - 1)

    return INPUT.sub(included, text)


def _without_comments(source: str) -> str:
    """Cut comments; a line of nothing else is left out, and a sign at the end of a line joins it to the next."""
    lines: list[str] = []
    for line in source.split("\n"):
        start = _comment_start(line)
        before = line if start is None else line[:start]
        if start is None:
            lines.append(f"{line}\n")
        elif before.strip():
            lines.append(before if line[start:].strip() == "%" and not before.endswith(" ") else f"{before.rstrip()}\n")
    return "".join(lines)


def _comment_start(line: str) -> int | None:
    position = line.find("%")
    while position >= 0:
        before = line[:position]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            return position
        position = line.find("%", position + 1)
    return None


def _with_macros(text: str) -> str:
    """Return text with the author's own macros expanded and their definitions left out."""
    macros = {
        match[1] or match[4]: (int(match[2] or 0), match[3] if match[1] else match[5]) for match in MACRO.finditer(text)
    }
    text = MACRO.sub("", text)
    if not macros:
        return text
    names = "|".join(sorted(macros, key=len, reverse=True))
    for _ in range(DEEPEST):
        expanded = text
        for count in {count for count, _ in macros.values()}:
            arguments = rf"\s*{BRACED}" * count
            pattern = re.compile(rf"\\({names})(?![A-Za-z]){arguments}(?:\{{\}})?")
            expanded = pattern.sub(lambda match, count=count: _expanded(match, macros, count), expanded)  # type: ignore[misc]
        if expanded == text or len(expanded) > LONGEST:
            return text
        text = expanded
    return text


def _expanded(match: re.Match[str], macros: Mapping[str, tuple[int, str]], count: int) -> str:
    expected, body = macros[match[1]]
    if expected != count:
        return match[0]
    for number in range(count):
        body = body.replace(f"#{number + 1}", match[number + 2])
    return body


def _with_constants(text: str, sources: Sources) -> str:
    text = text.replace("\\problemyamlname", sources.name)
    return CONSTANT.sub(lambda match: sources.constants.get(match[1] or match[2], match[1] or match[0]), text)


def _without_pictures(text: str) -> str:
    """Leave out pictures, what floats around them, and what authors switched off."""

    def left_out(match: re.Match[str]) -> str:
        return match[0] if match[1] == "center" and not PICTURE.search(match[0]) else "\n\n"

    return PICTURE_COMMANDS.sub("", BLOCKS_LEFT_OUT.sub(left_out, text))


def _with_lines(text: str, sources: Sources) -> str:
    """Return text with headings, items and rows as lines."""
    text = NAME.sub(lambda match: f"{match[1].strip() or sources.name}\n\n", text)
    text = TABLES.sub(lambda match: _table(match[2]), text)
    text = HEADING.sub(lambda match: f"\n\n{match[1].strip()}\n\n", text)
    text = re.sub(
        rf"\\({'|'.join(SECTION_COMMANDS)})(?![A-Za-z])(?!\s*\{{)",
        lambda match: f"\n\n{SECTION_COMMANDS[match[1]]}\n\n",
        text,
    )
    text = BEGIN_OR_END.sub(_border, text)
    text = FOOTNOTE.sub(lambda match: f" ({match[1].strip()})", text)
    text = LINK.sub(lambda match: f"{match[2]} ({match[1]})", text)
    return re.sub(r"\\\\\*?(?:\[[^\]\n]*\])?[ \t]*\n?", "\n", text)


def _border(match: re.Match[str]) -> str:
    """Return what the border of an environment becomes: its heading, where it has one."""
    heading = NAMED_BLOCKS.get(match[2]) if match[1] == "begin" else None
    return f"\n\n{heading}\n\n" if heading else "\n"


def _table(body: str) -> str:
    rows = re.split(
        r"\\\\(?:\[[^\]\n]*\])?",
        re.sub(r"\\(?:hline|cline\{[^}]*\}|toprule|midrule|bottomrule)", "", TABLE_START.sub("", body)),
    )
    cells = [[" ".join(cell.split()) for cell in re.split(r"(?<!\\)&", row)] for row in rows if row.strip()]
    return "\n" + "\n".join(" | ".join(row) for row in cells) + "\n"


def _with_signs(text: str) -> str:
    """Return text with accents, signs and escapes as characters, and without the commands that are left."""
    text = ACCENT.sub(_accented, text)
    text = LETTER.sub(lambda match: LETTERS[match[1]], text)
    text = ITEM_NAME.sub(r"\n- \1", SIGN.sub(lambda match: SIGNS[match[1]].replace("\\", "\ue003"), text))
    text = ESCAPE.sub(lambda match: ESCAPED[match[1]], text)
    for old, new in TYPOGRAPHY:
        text = text.replace(old, new)
    text = re.sub(r"[{}]", "", COMMAND.sub("", text))
    return text.replace("\ue001", "{").replace("\ue002", "}").replace("\ue003", "\\")


def _accented(match: re.Match[str]) -> str:
    accent, letter = match[1] or match[2] or match[3], match[4] or match[5]
    return unicodedata.normalize("NFC", letter + ACCENTS[accent])


def _tidy(text: str) -> str:
    """Return text without indentation, which means nothing in LaTeX, and with single empty lines."""
    lines = "\n".join(" ".join(line.split()) for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"\n+(?=- )", "\n", lines))
