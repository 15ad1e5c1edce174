"""What most tests of the judge run programs with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.programs import Runner


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """Return one sandbox for the module."""
    with Runner() as opened:
        yield opened


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """Return a gate of the test's own."""
    opened = Gate(tmp_path)
    yield opened
    opened.close()
