"""What starts by itself: the weekly schedule, and the sensor on the folder of raw files."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from assets.schedules import raw_files_changed, weekly_ingest
from resources import RawResource


@pytest.fixture
def raw_root(tmp_path: Path) -> Path:
    """Return a raw root with one file of one data set."""
    (tmp_path / "taco").mkdir()
    (tmp_path / "taco" / "train.jsonl").write_text("{}\n")
    return tmp_path


def tick(root: Path, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    """Evaluate the sensor once."""
    context = dg.build_sensor_context(cursor=cursor)
    result = raw_files_changed(context, raw_files=RawResource(root=str(root)))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def test_sensor_starts_the_partition_of_a_new_file(raw_root: Path) -> None:
    """A file that was not there before starts its data set, once."""
    first = tick(raw_root, None)
    assert isinstance(first, dg.SensorResult)
    assert [request.partition_key for request in first.run_requests or []] == ["taco"]
    assert isinstance(tick(raw_root, first.cursor), dg.SkipReason)


def test_sensor_starts_only_what_changed(raw_root: Path) -> None:
    """A new data set does not start the others again."""
    first = tick(raw_root, None)
    assert isinstance(first, dg.SensorResult)
    (raw_root / "apps").mkdir()
    (raw_root / "apps" / "test.jsonl").write_text("{}\n")
    second = tick(raw_root, first.cursor)
    assert isinstance(second, dg.SensorResult)
    assert [request.partition_key for request in second.run_requests or []] == ["apps"]


def test_sensor_sees_a_file_that_moved(raw_root: Path) -> None:
    """A file under another folder may belong to another split."""
    first = tick(raw_root, None)
    assert isinstance(first, dg.SensorResult)
    (raw_root / "taco" / "test").mkdir()
    (raw_root / "taco" / "train.jsonl").rename(raw_root / "taco" / "test" / "train.jsonl")
    assert isinstance(tick(raw_root, first.cursor), dg.SensorResult)


def test_weekly_ingest_asks_for_every_present_data_set(raw_root: Path) -> None:
    """Data sets without raw files are left alone."""
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 23, 3, tzinfo=UTC))
    requests = list(weekly_ingest(context, raw_files=RawResource(root=str(raw_root))))
    assert [request.partition_key for request in requests] == ["taco"]
