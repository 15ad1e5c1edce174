"""Counters are off unless somebody names a file, and never cost a run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ocr_pipeline.building import Build, build_unless_current
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.metrics import count_build
from ocr_pipeline.store import Manifest, Store
from ocr_pipeline.tables import TESTS

COUNTS = StageCounts(3, 1, {'odd "reason"': 2}, {"paid": 5}).as_dict()
MANIFEST = Manifest("responses", {"dataset": "taco", "language": "cpp"}, (), {}, "1", (), COUNTS)
LABELS = 'dataset="taco",language="cpp"'


def test_nothing_is_written_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off by default."""
    monkeypatch.delenv("OCR_PIPELINE_METRICS", raising=False)
    monkeypatch.chdir(tmp_path)
    count_build(MANIFEST, 1.0)
    assert list(tmp_path.iterdir()) == []


def test_counters_add_up_over_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever builds adds to the same file, also at the same time; a text that Prometheus reads."""
    path = tmp_path / "metrics" / "ocr_pipeline.prom"
    monkeypatch.setenv("OCR_PIPELINE_METRICS", str(path))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: count_build(MANIFEST, 0.25), range(20)))
    lines = path.read_text().splitlines()
    assert f'ocr_pipeline_rows_in_total{{{LABELS},table="responses"}} 60' in lines
    assert f'ocr_pipeline_build_seconds_total{{{LABELS},table="responses"}} 5' in lines
    assert f'ocr_pipeline_rows_dropped_total{{{LABELS},reason="odd \\"reason\\"",table="responses"}} 40' in lines
    assert f'ocr_pipeline_noted_total{{{LABELS},table="responses",what="paid"}} 100' in lines
    assert "# TYPE ocr_pipeline_builds_total counter" in lines


def test_prometheus_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own parser finds every sample."""
    parser = pytest.importorskip("prometheus_client.parser")
    path = tmp_path / "ocr_pipeline.prom"
    monkeypatch.setenv("OCR_PIPELINE_METRICS", str(path))
    count_build(MANIFEST, 0.25)
    found = {
        sample.name: sample.value
        for family in parser.text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }
    assert found["ocr_pipeline_rows_kept_total"] == 1
    assert found["ocr_pipeline_build_seconds_total"] == 0.25


def test_a_build_is_counted_and_what_is_unchanged_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the one place that builds."""
    path = tmp_path / "ocr_pipeline.prom"
    monkeypatch.setenv("OCR_PIPELINE_METRICS", str(path))

    build = Build((TESTS,), {"dataset": "taco"}, {}, "1", [], lambda _: StageCounts(0, 0))
    for _ in range(2):
        build_unless_current(Store(tmp_path / "data"), build)
    assert 'ocr_pipeline_builds_total{dataset="taco",table="tests"} 1' in path.read_text().splitlines()


def test_counters_that_cannot_be_written_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OCR_PIPELINE_METRICS", str(tmp_path / "file" / "x.prom"))
    with pytest.warns(RuntimeWarning, match="OCR_PIPELINE_METRICS: .* cannot be written"):
        count_build(MANIFEST, 1.0)
