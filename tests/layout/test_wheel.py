"""The built wheel: the library alone, enough to read a partition in an empty environment."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from ocr_pipeline.store import Store
from ocr_pipeline.tables import TESTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROJECT = Path(__file__).parents[2]
NEEDED = ("pyarrow", "numpy", "filelock")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of the checkout."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(PROJECT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_wheel_holds_the_library_and_its_text_files(wheel: Path) -> None:
    """No top-level package of a common name, no definitions; prompts and C sources are in it."""
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"ocr_pipeline"}
    assert "ocr_pipeline/definitions.py" not in names
    for suffix in ("prompts/solve_python.txt", "native/sandbox.c", "contamination/boilerplate.txt", "py.typed"):
        assert [name for name in names if name.endswith(suffix)], suffix


def test_wheel_reads_a_partition_without_dagster(wheel: Path, tmp_path: Path) -> None:
    """An empty environment with the wheel and its two dependencies opens a table."""
    with Store(tmp_path / "data").writer(TESTS, {"dataset": "taco"}, config={}, code_version="1") as writer:
        writer.write(TESTS.schema.empty_table())
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    packages = Path(pa.__file__).parents[1]
    site = next((tmp_path / "venv" / "lib").glob("*/site-packages"))
    for path in packages.iterdir():
        if path.name.split(".")[0].split("-")[0] in NEEDED:
            (site / path.name).symlink_to(path)
    code = (
        "import sys; from ocr_pipeline import open_table;"
        f"print(open_table({str(tmp_path / 'data')!r}, 'tests').count_rows(), 'dagster' in sys.modules)"
    )
    done = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"]
