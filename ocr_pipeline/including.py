"""Makes one C++ text of several: files of a data set are put where others include them. What is compiled is not its business."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["includes", "with_included"]

INCLUDE: Final = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)[">][^\n]*$', re.MULTILINE)
ONCE: Final = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once\b[^\n]*$", re.MULTILINE)


def includes(code: str, name: str) -> bool:
    """Say whether C++ code includes a file of this name."""
    return any(_base(found[1]) == name for found in INCLUDE.finditer(code))


def with_included(code: str, files: Mapping[str, str]) -> str:
    """Put files where C++ code includes them, however deep, with what conditions stand around; others stay as they are."""
    return _with_included(code, files, ())


def _with_included(code: str, files: Mapping[str, str], above: tuple[str, ...]) -> str:
    def text_of(found: re.Match[str]) -> str:
        name = _base(found[1])
        if name not in files:
            return found[0]
        if name in above:
            return ""
        text = _with_included(files[name], files, (*above, name))
        if ONCE.search(text):
            guard = f"OCR_JUDGE_ONCE_{name.encode().hex()}"
            text = f"#ifndef {guard}\n#define {guard}\n{ONCE.sub('', text)}\n#endif"
        line = found.string.count("\n", 0, found.start()) + 2
        return f"{text}\n#line {line}"

    return INCLUDE.sub(text_of, code)


def _base(path: str) -> str:
    return path.strip().replace("\\", "/").rpartition("/")[2]
