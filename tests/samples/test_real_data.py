"""Separation and syntax on real rows: every trace as a reader would, every disagreement of the parsers named."""

from __future__ import annotations

import re
import shutil
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ocr_pipeline.answers import FencePolicy, Separation, extract_code, separate_text
from ocr_pipeline.samples.compilers import check_cpp
from ocr_pipeline.samples.repetition import cycle_at_end, repeated_share
from ocr_pipeline.samples.syntax import Source, judge_syntax
from ocr_pipeline.tables import Language

PYTHON_CLASSES = {
    "python 2": r"Missing parentheses in call|multiple exception types|invalid decimal literal|print_statement",
    "layout": r"unexpected indent|expected an indented block|unterminated string",
    "names and flow": r"outside (async )?function|outside loop|in loop|nonlocal|inside (async|dict|list|set)|future feature",
    "targets": r"cannot (assign|delete|use|have)|rebind|target|starred|unpacking",
    "parameters and arguments": r"argument|Function parameters|Lambda expression|[/*] may appear|/ must be|Did you mean",
    "patterns": r"pattern|attribute name repeated|name capture",
    "literals": r"f-string|unicode error|bytes|nonbytes",
    "grammar": r"invalid syntax|^expected|trailing comma",
}
"""Why CPython rejects what Tree-sitter accepts, by its message."""
CPP_CLASSES = {
    "undeclared names": r"not declared|does not name a|not a member|not been declared|not a namespace|template-name|numeric literal",
    "grammar in its context": r"expected|found '|binary operator",
    "types and declarations": r".",
}


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """Read one file of the real data."""
    return pq.read_table(folder / name).to_pylist()  # type: ignore[no-any-return]


def class_of(message: str, classes: dict[str, str]) -> str:
    """Return the class of a compiler's message."""
    return next((name for name, pattern in classes.items() if re.search(pattern, message)), f"unnamed: {message}")


def cpython_rejects(source: str) -> str | None:
    """Return CPython's message, or None when it accepts."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "snippet", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return str(getattr(error, "msg", error))
    return None


def test_traces_as_a_reader_would(real_data: Path) -> None:
    """Closed thoughts give back thought and answer exactly; open ones are unclosed; plain answers have none."""
    found = Counter[str]()
    for row in rows(real_data, "traces/reasoning_traces_cc0.parquet"):
        thinking, output = row["thinking"], row["output"]
        closed = thinking is not None and output is not None
        text = f"<think>\n{thinking}\n</think>\n\n{output}" if closed else thinking or output
        raw = text.encode()
        parts = separate_text(raw, Language.PYTHON, FencePolicy.LAST)
        found[parts.separation] += 1
        if closed:
            assert parts.reasoning is not None
            assert parts.answer is not None
            assert raw[parts.reasoning.start : parts.reasoning.end].decode() == f"\n{thinking}\n"
            assert raw[parts.answer.start : parts.answer.end].decode() == f"\n\n{output}"
        else:
            opened = text.startswith("<think>")
            assert parts.separation is (Separation.UNCLOSED_THINK if opened else Separation.NO_THINK)
    assert found == {"no_code": 300, "no_think": 174, "unclosed_think": 14}


def test_code_equals_the_benchmarks_own(real_data: Path) -> None:
    """The code of all 455 answers is exactly what the benchmark extracted; the one empty answer has none."""
    answers = rows(real_data, "traces/o1_mini_answers.parquet")
    different = [row["question_id"] for row in answers if (extract_code(row["output"]) or "") != row["code"]]
    assert different == []
    assert [row["question_id"] for row in answers if extract_code(row["output"]) is None] == ["arc189_a"]


def test_separated_answers_give_the_same_code(real_data: Path) -> None:
    """The separation of the same answers behind a thought finds the same code."""
    for row in rows(real_data, "traces/o1_mini_answers.parquet"):
        parts = separate_text(f"<think>Hm.</think>\n{row['output']}".encode(), Language.PYTHON, FencePolicy.LAST)
        assert (parts.code or b"").decode() == row["code"]


def test_loops_of_real_traces(real_data: Path) -> None:
    """Five of 488 traces end in a cycle, and none of those that reached an answer."""
    loops = []
    for row in rows(real_data, "traces/reasoning_traces_cc0.parquet"):
        text = row["thinking"] or row["output"]
        if cycle_at_end(text.encode()) is not None:
            loops.append((row["model"], row["prompt_id"], row["thinking"] is not None and row["output"] is not None))
            assert repeated_share(text.encode()) > 0.25
    assert len(loops) == 5
    assert not any(finished for _, _, finished in loops)


def test_python_verdicts_are_cpythons(real_data: Path) -> None:
    """On 671 snippets the verdict is CPython's, and every disagreement of Tree-sitter has a class."""
    snippets = [row["text"] for row in rows(real_data, "syntax/snippets.parquet") if row["language"] == "python"]
    reports = judge_syntax([Source(text.encode(), Language.PYTHON) for text in snippets])
    missed, alarms = Counter[str](), 0
    for text, report in zip(snippets, reports, strict=True):
        message = cpython_rejects(text)
        assert report.compiler_ok is (message is None)
        assert (report.verdict in {"ok", "empty"}) is (message is None)
        missed.update([class_of(message, PYTHON_CLASSES)] if message is not None and report.tree_sitter_ok else [])
        alarms += message is None and not report.tree_sitter_ok
    assert missed.total() > alarms
    if sys.version_info[:2] == (3, 11):  # other versions accept more and word their messages otherwise
        assert [name for name in missed if name.startswith("unnamed")] == []
        assert (missed.total(), alarms) == (192, 4)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_cpp_rows_are_dropped_only_when_gpp_agrees(real_data: Path) -> None:
    """On 198 snippets nothing that g++ accepts is dropped, and what Tree-sitter misses has a class."""
    snippets = [row["text"] for row in rows(real_data, "syntax/snippets.parquet") if row["language"] == "cpp"]
    reports = judge_syntax([Source(text.encode(), Language.CPP) for text in snippets])
    missed = Counter[str]()
    for text, report in zip(snippets, reports, strict=True):
        opinion = check_cpp(text.encode())
        assert report.verdict != "error" or opinion.accepted is False
        assert report.tree_sitter_ok or report.compiler_ok is opinion.accepted
        missed.update(
            [class_of(opinion.message, CPP_CLASSES)] if opinion.accepted is False and report.tree_sitter_ok else []
        )
    assert set(missed) <= set(CPP_CLASSES)
