"""What tests of several parts share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real public rows, or skip."""
    folder = os.environ.get("OCR_REAL_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set OCR_REAL_DATA to the folder of real rows to run this test")
    return Path(folder)
