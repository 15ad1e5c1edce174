"""What comes from the hub: one pinned revision, whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.errors import InputError
from ocr_pipeline.sources import SOURCES
from ocr_pipeline.sources.hub import fetch
from tests.sources import rows as raw
from tests.sources.rows import run

UNPINNED = replace(SOURCES["taco"], hub_revision=None)


class Hub:
    """Puts files where the hub's library would, and dies after some of them if told to."""

    def __init__(self, files: int = 3) -> None:
        self.files = files
        self.dies_after: int | None = None
        self.asked: list[dict[str, Any]] = []

    def download(self, **options: Any) -> str:
        """Do as ``snapshot_download``."""
        self.asked.append(options)
        for number in range(self.files):
            if number == self.dies_after:
                raise ConnectionError("the peer closed the connection")
            row = raw.taco(question=f"Print the number {number} and nothing else.")
            raw.parquet(options["local_dir"] / "ALL" / f"train-{number:05}-of-{self.files:05}.parquet", [row])
        return str(options["local_dir"])


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Return a hub that answers."""
    found = Hub()
    monkeypatch.setattr("huggingface_hub.snapshot_download", found.download)
    return found


def test_fetch_asks_for_one_revision_and_only_the_files_that_are_read(tmp_path: Path, hub: Hub) -> None:
    """The hub is asked for a revision of the data files, and for nothing else."""
    assert fetch(SOURCES["taco"], "abc123", tmp_path / "taco") == [tmp_path / "taco" / "taco"]
    (asked,) = hub.asked
    assert (asked["repo_id"], asked["revision"], asked["repo_type"]) == ("BAAI/TACO", "abc123", "dataset")
    assert asked["allow_patterns"] == ["ALL/*.parquet"]
    with pytest.raises(InputError, match="not on the hub"):
        fetch(SOURCES["kattis"], "abc123", tmp_path)


def test_a_download_that_dies_leaves_nothing_to_ingest(tmp_path: Path, hub: Hub) -> None:
    """There is no folder until all files are there, and the next try gets the rest."""
    hub.dies_after = 2
    with pytest.raises(InputError, match="cannot be fetched: the peer closed the connection"):
        fetch(SOURCES["taco"], "abc123", tmp_path / "taco")
    assert not (tmp_path / "taco").exists()
    hub.dies_after = None
    paths = fetch(SOURCES["taco"], "abc123", tmp_path / "taco")
    assert run("taco", paths, tmp_path / "out").counts.kept == 3
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_revision_is_fetched_once_and_another_one_replaces_it(tmp_path: Path, hub: Hub) -> None:
    """Files of the same revision are not asked for again; those of another one do not stay beside the new ones."""
    for revision in ("abc", "abc", "def"):
        fetch(SOURCES["taco"], revision, tmp_path / "taco")
        hub.files = 2
    assert [asked["revision"] for asked in hub.asked] == ["abc", "def"]
    assert len(list((tmp_path / "taco" / "taco" / "ALL").iterdir())) == 2


def test_every_source_of_the_hub_is_pinned_to_a_commit() -> None:
    """A branch moves; 40 hexadecimal digits do not."""
    pinned = {source.name: source.hub_revision for source in SOURCES.values() if source.hub_id}
    assert {
        name
        for name, commit in pinned.items()
        if commit is None or len(commit) != 40 or set(commit) - set("0123456789abcdef")
    } == set()


def test_without_a_revision_the_message_says_how_to_pin_one(tmp_path: Path) -> None:
    """The command that prints the commit, and where to put it."""
    with pytest.raises(
        InputError, match=r"`git ls-remote https://huggingface.co/datasets/BAAI/TACO HEAD` prints the commit"
    ):
        fetch(UNPINNED, None, tmp_path)


def test_an_address_of_the_hub_is_fetched_at_its_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command reads what the hub's library put into its cache; without a revision it asks for one."""
    asked: dict[str, object] = {}
    raw.parquet(tmp_path / "snapshot" / "ALL" / "train-0.parquet", [raw.taco()])

    def download(**options: object) -> str:
        asked.update(options)
        return str(tmp_path / "snapshot")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    app, out = build_app(["ingest"]), str(tmp_path / "out")
    result = CliRunner().invoke(app, ["ingest", "taco", "hf://datasets/BAAI/TACO@abc123", "--out", out])
    assert result.exit_code == 0, result.output
    assert (asked["repo_id"], asked["revision"], asked["local_dir"]) == ("BAAI/TACO", "abc123", None)
    for address, part in (("hf://datasets/own/TACO", "no revision"), ("hf://TACO", "not the address")):
        error = CliRunner().invoke(app, ["ingest", "taco", address, "--out", out]).exception
        assert isinstance(error, InputError)
        assert part in str(error)
