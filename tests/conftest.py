"""What tests of several parts share."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that rewrites golden files; nothing else changes them."""
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files from what the tests see")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real public rows, or skip."""
    folder = os.environ.get("OCR_REAL_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set OCR_REAL_DATA to the folder of real rows to run this test")
    return Path(folder)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Compare a value with the golden file of that name."""

    def compare(name: str, value: object) -> None:
        path = GOLDEN / f"{name}.json"
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), (
            f"{path} differs; rewrite it with --update-golden if that is right"
        )

    return compare
