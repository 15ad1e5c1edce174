"""What is said while work goes on: lines for people, or events for programs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline import cli, logs
from ocr_pipeline.building import Build, build_unless_current
from ocr_pipeline.console import PlainProgress, progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import ConservationError
from ocr_pipeline.store import Store
from ocr_pipeline.tables import TESTS
from tests.store.rows import TACO, test_rows


def events(text: str) -> list[dict[str, Any]]:
    """Return the lines as objects; one that is not JSON fails the test."""
    return [json.loads(line) for line in text.splitlines()]


def command(*arguments: str, form: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the pipeline."""
    code = "from ocr_pipeline.cli import main; main()"
    environment = {**os.environ, "OCR_PIPELINE_LOG": form}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def responses(path: Path) -> Path:
    """Write two responses."""
    texts = ["<think>a</think>\n```python\nprint(1)\n```", "nothing"]
    rows = {"request_id": ["00", "01"], "problem_id": ["p", "p"], "language": ["python"] * 2, "text": texts}
    pq.write_table(pa.table(rows), path)
    return path


def test_a_command_tells_its_account_as_an_event(tmp_path: Path) -> None:
    """Every line on standard error is an object with time, level, step, partition, event and fields; the result stays as it is."""
    done = command(
        "separate", str(responses(tmp_path / "r.parquet")), "--out", str(tmp_path / "out"), "--json", form="json"
    )
    assert done.returncode == 0, done.stderr
    told = events(done.stderr)
    assert all(set(one) == {"time", "level", "step", "partition", "event", "fields"} for one in told)
    (account,) = (one for one in told if one["event"] == "done")
    assert (account["step"], account["level"], account["fields"]["rows_in"]) == ("samples", "info", 2)
    assert json.loads(done.stdout)["rows_in"] == 2


def test_a_failure_is_an_event_with_its_line(tmp_path: Path) -> None:
    """The exit code and the words are those that people get."""
    missing = str(tmp_path / "none.parquet")
    plain, told = (command("separate", missing, "--out", str(tmp_path / "out"), form=form) for form in ("text", "json"))
    assert plain.returncode == told.returncode != 0
    (event,) = events(told.stderr)
    assert (event["event"], event["level"], event["step"]) == ("failed", "error", "separate")
    assert plain.stderr == event["fields"]["message"] + "\n"


@pytest.mark.parametrize("said", ["é 😀", "a\u2028b\x85c", "two\nlines"])
def test_an_event_is_one_line_of_ascii(
    said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the terminal can show, and whatever readers take for the end of a line."""
    monkeypatch.setenv("OCR_PIPELINE_LOG", "json")
    logs.say(said)
    text = capsys.readouterr().err
    assert text.isascii()
    assert [one["fields"]["message"] for one in events(text)] == [said]


def test_numbers_that_json_has_not_are_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Readers of JSON refuse NaN."""
    monkeypatch.setenv("OCR_PIPELINE_LOG", "json")
    logs.event("progress", {"rate": float("nan"), "done": 3, "left": None, "dropped": {"no_code": float("inf")}})
    (told,) = events(capsys.readouterr().err)
    assert (told["fields"]["rate"], told["fields"]["done"]) == ("nan", 3)


def test_a_fault_of_the_pipeline_is_an_event_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that reads the events finds it among them."""
    monkeypatch.setenv("OCR_PIPELINE_LOG", "json")
    monkeypatch.setattr(cli, "build_app", lambda _: 1 / 0)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    (told,) = events(capsys.readouterr().err)
    assert (told["event"], told["level"]) == ("failed", "error")
    assert "ZeroDivisionError" in told["fields"]["traceback"]


def test_another_form_is_wrong_usage(tmp_path: Path) -> None:
    """It is refused before anything is done."""
    done = command("separate", str(tmp_path), "--out", str(tmp_path / "out"), form="xml")
    assert done.returncode == 2
    assert done.stderr == "ocr-pipeline: OCR_PIPELINE_LOG must be `json` or `text`, got `xml`\n"


def build(counts: StageCounts) -> Build:
    """Return what builds three tests."""

    def run(writers: Any) -> StageCounts:
        writers["tests"].write(test_rows(["a", "b", "c"]))
        return counts

    return Build(tables=(TESTS,), partition=TACO, config={}, code_version="1", inputs=(), run=run)


def test_a_partition_is_built_then_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever runs the build, it tells the partition and its account."""
    monkeypatch.setenv("OCR_PIPELINE_LOG", "json")
    counts = StageCounts(4, 3, {"odd": 1})
    for _ in range(2):
        build_unless_current(Store(tmp_path), build(counts))
    told = events(capsys.readouterr().err)
    assert [(one["event"], one["step"], one["partition"]) for one in told] == [
        ("built", "tests", "taco"),
        ("reused", "tests", "taco"),
    ]
    assert told[0]["fields"] | {"bytes": 0} == {"table": "tests", "rows": 3, "bytes": 0} | counts.as_dict()


def test_a_build_that_fails_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dagster shows its own page; the collector of logs gets the line."""
    monkeypatch.setenv("OCR_PIPELINE_LOG", "json")
    with pytest.raises(ConservationError):
        build_unless_current(Store(tmp_path), build(StageCounts(9, 3)))
    (event,) = events(capsys.readouterr().err)
    assert (event["event"], event["partition"]) == ("failed", "taco")
    assert "9 rows in" in event["fields"]["message"]


def test_progress_is_an_event_with_its_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers are fields, not words."""
    monkeypatch.setenv("OCR_PIPELINE_LOG", "json")
    monkeypatch.setattr("ocr_pipeline.console.LINE_EVERY_S", 0.0)
    with progress("asking", total=9, unit="requests") as shown:
        assert isinstance(shown, PlainProgress)
        shown.advance(2, in_flight=3)
    (event,) = events(capsys.readouterr().err)
    assert event["fields"] == {"what": "asking", "done": 2, "total": 9, "unit": "requests", "in_flight": 3}


def test_nothing_changes_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A build says nothing by itself."""
    monkeypatch.delenv("OCR_PIPELINE_LOG", raising=False)
    build_unless_current(Store(tmp_path), build(StageCounts(3, 3)))
    assert capsys.readouterr().err == ""
