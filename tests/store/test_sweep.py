"""``storage sweep`` is for object storage only."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.errors import OptionError


def test_a_folder_is_wrong_usage(tmp_path: Path) -> None:
    """Nothing is to be swept there, and the command says why."""
    done = CliRunner().invoke(build_app(["storage", "funnel"]), ["storage", "sweep", "--data", str(tmp_path)])
    assert isinstance(done.exception, OptionError)
    assert "there is nothing to sweep" in str(done.exception)
