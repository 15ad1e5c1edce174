"""Writes a student's programs as the inputs of other people's judges: LiveCodeBench's runner and EvalPlus.

They are run where they are installed; their verdicts are not read back here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ocr_pipeline.errors import InputError

__all__ = ["write_evalplus", "write_lcb"]


def write_lcb(codes: Mapping[str, Sequence[str]], path: Path) -> None:
    """Write ``custom_output_file`` of ``lcb_runner.runner.custom_evaluator``: question id -> programs.

    The runner compares the list with its benchmark by position after sorting, so every question must be there.

    Raises
    ------
    InputError
        When questions have different numbers of programs, which the runner does not take.
    """
    counts = {len(programs) for programs in codes.values()}
    if len(counts) > 1:
        raise InputError(f"questions have {sorted(counts)} programs; lcb_runner needs the same number for each")
    rows = [{"question_id": question, "code_list": list(programs)} for question, programs in sorted(codes.items())]
    _write(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


def write_evalplus(codes: Mapping[str, Sequence[str]], path: Path) -> None:
    """Write the samples file of ``evalplus.evaluate``: one line per program, task ids as in HumanEval and MBPP."""
    rows = [{"task_id": task, "solution": program} for task, programs in sorted(codes.items()) for program in programs]
    _write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
