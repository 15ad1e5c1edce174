"""The command ``new-source``: an example of own problems, with comments, to write over."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from ocr_pipeline.errors import InputError
from ocr_pipeline.store import atomic_write

__all__ = ["FILES", "new_source"]

FILES: Final = ("problems.jsonl", "tests.jsonl", "solutions.jsonl")


def new_source(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder for the files.")] = Path("my_problems"),
) -> None:
    """Write an example of own problems, with comments: problems, their tests and solutions, for `ingest own`."""
    taken = [name for name in FILES if (folder / name).exists()]
    if taken:
        message = f"`{folder}` holds {', '.join(taken)} already; name another folder, nothing was written"
        raise InputError(message)
    example = files("ocr_pipeline.sources") / "example_files"
    for name in FILES:
        with atomic_write(folder / name) as file:
            file.write(example.joinpath(name).read_bytes())
    sys.stdout.write(
        f"written to {folder}: {', '.join(FILES)}\n"
        "Put your own problems in their place; what each key means is beside it, under `#`. Then:\n"
        f"  ocr-pipeline ingest own {folder} --split train --out ingested\n"
        "  ocr-pipeline generate ingested/problems.parquet --language python --url URL --model NAME --out asked\n"
    )
