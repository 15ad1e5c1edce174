"""``dedup`` and ``decontaminate``: files in, files out, one clear line when something is wrong."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.contamination import command as contamination_command
from ocr_pipeline.duplicates import command as duplicates_command
from ocr_pipeline.errors import InputError
from tests.similarity_stub import WordEncoder

STORY = "a miller sells flour to every village along the old river"


@pytest.fixture(autouse=True)
def small_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare words instead of loading a model."""
    for module in (duplicates_command, contamination_command):
        monkeypatch.setattr(module, "load_encoder", lambda *_, **__: WordEncoder())


def put(path: Path, *rows: tuple[str, str]) -> Path:
    """Write problems of two columns only."""
    ids, statements = zip(*rows, strict=True)
    pq.write_table(pa.table({"problem_id": ids, "statement": statements}), path)
    return path


def test_dedup_writes_pairs_and_unique_problems(tmp_path: Path) -> None:
    """Two columns are enough; the counts balance and the notes say who decided."""
    source = put(tmp_path / "p.parquet", ("a", STORY), ("b", STORY), ("c", "bees"), ("d", ""))
    result = CliRunner().invoke(
        build_app(["dedup", "decontaminate"]), ["dedup", str(source), "--out", str(tmp_path / "out"), "--json"]
    )
    assert result.exit_code == 0, result.output
    counts = json.loads(result.stdout)
    assert (counts["rows_in"], counts["kept"], counts["dropped"]) == (4, 3, {"exact": 1})
    assert counts["notes"] == {"pairs_duplicate_by_exact": 1, "silent_statements": 1}
    unique = pq.read_table(tmp_path / "out" / "unique_problems.parquet")
    assert unique.column("member_ids").to_pylist() == [["a", "b"], ["c"], ["d"]]


def test_a_failing_dedup_leaves_no_files(tmp_path: Path) -> None:
    """Repeated ids are named, and nothing half-written stays."""
    source = put(tmp_path / "p.parquet", ("a", STORY), ("a", "bees"))
    result = CliRunner().invoke(
        build_app(["dedup", "decontaminate"]), ["dedup", str(source), "--out", str(tmp_path / "out")]
    )
    assert isinstance(result.exception, InputError)
    assert "`a`" in str(result.exception)
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_decontaminate_takes_plain_problems(tmp_path: Path) -> None:
    """Problems that never went through dedup become their own members; a benchmark is named on the command line."""
    source = put(tmp_path / "p.parquet", ("a", STORY), ("c", "bees"))
    against = put(tmp_path / "b.parquet", ("x", STORY))
    arguments = ["decontaminate", str(source), "--against", f"own={against}", "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(build_app(["dedup", "decontaminate"]), arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["dropped"] == {"in:own": 1}
    clean = pq.read_table(tmp_path / "out" / "clean_problems.parquet")
    assert clean.column("member_ids").to_pylist() == [["c"]]
