"""Writes a student's programs as the inputs of other people's judges: LiveCodeBench's runner and EvalPlus.

They are run where they are installed; their verdicts are not read back here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ocr_pipeline.errors import InputError
from ocr_pipeline.store import atomic_write

__all__ = ["write_evalplus", "write_lcb"]


def write_lcb(codes: Mapping[str, Sequence[str]], path: Path) -> None:
    """Write ``custom_output_file`` of ``lcb_runner.runner.custom_evaluator``: the programs of each question, by its id.

    The runner takes the lists by position in its own benchmark, sorted by id, so every question of its release and days
    must be there. It also names a form with ids, but that one fails in its code: ``isinstance`` of an enum's members.

    Raises
    ------
    InputError
        When questions have different numbers of programs, which the runner does not take.
    """
    counts = {len(programs) for programs in codes.values()}
    if len(counts) > 1:
        raise InputError(f"questions have {sorted(counts)} programs; lcb_runner needs the same number for each")
    rows = [list(programs) for _, programs in sorted(codes.items())]
    _write(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


def write_evalplus(codes: Mapping[str, Sequence[str]], path: Path) -> None:
    """Write the samples file of ``evalplus.evaluate``: one line per program; MBPP's bare numbers become its task ids."""
    rows = [
        {"task_id": f"Mbpp/{task}" if task.isdecimal() else task, "solution": program}
        for task, programs in sorted(codes.items())
        for program in programs
    ]
    _write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())
