"""Makes a C++ program of a candidate's function: definitions before it, and behind it what calls it with JSON.

The compiler finds the types of the parameters (``sandbox/native/function.h``); this module only looks for names.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

from ocr_pipeline.judge.sandbox.protocol import RESULT

__all__ = ["COMMENTS", "calling_program", "names_function", "plain_program"]

COMMENTS: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
START: Final = "#include <bits/stdc++.h>\n#include <unistd.h>\nusing namespace std;\n"
NODES: Final = {
    "ListNode": """struct ListNode {
    int val;
    ListNode *next;
    ListNode(int val = 0, ListNode *next = nullptr) : val(val), next(next) {}
};
""",
    "TreeNode": """struct TreeNode {
    int val;
    TreeNode *left, *right;
    TreeNode(int val = 0, TreeNode *left = nullptr, TreeNode *right = nullptr) : val(val), left(left), right(right) {}
};
""",
}
"""What LeetCode predefines; only what the candidate does not define itself."""


def calling_program(code: str, function: str) -> str:
    """Return a program that calls ``function``, a method of ``Solution`` where there is one, with arguments from stdin."""
    plain = COMMENTS.sub(" ", code)
    owner = "Solution::" if re.search(r"\b(?:class|struct)\s+Solution\b", plain) else ""
    call = f"int main() {{ return judged::run(&{owner}{function}); }}\n"
    return f"{_definitions(plain)}#define main candidate_main\n#line 1\n{code}\n#undef main\n{_caller()}\n{call}"


def plain_program(code: str) -> str:
    """Return a program that only holds the candidate's code, to see whether that compiles."""
    definitions = _definitions(COMMENTS.sub(" ", code))
    return f"{definitions}#define main candidate_main\n#line 1\n{code}\n#undef main\nint main() {{}}\n"


def names_function(code: str, function: str) -> bool:
    """Say whether the code speaks of the function at all."""
    return re.search(rf"\b{re.escape(function)}\b", COMMENTS.sub(" ", code)) is not None


def _definitions(plain: str) -> str:
    missing = (text for name, text in NODES.items() if not re.search(rf"\b(?:class|struct)\s+{name}\s*\{{", plain))
    return START + "".join(missing)


@cache
def _caller() -> str:
    header = (files("ocr_pipeline.judge.sandbox") / "native" / "function.h").read_text(encoding="utf-8")
    return f"namespace judged {{ enum {{ RESULT = {RESULT} }}; }}\n{header}"
