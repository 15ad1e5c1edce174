"""The commands that a data card prints build what it describes."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ocr_pipeline.definitions import build_defs
from ocr_pipeline.evidence.card import rebuild_commands
from ocr_pipeline.store import Store
from ocr_pipeline.tables import TABLES
from tests.evidence import root as fixture


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a data root with rows of every stage."""
    return fixture.build_root(tmp_path_factory.mktemp("root"))


def selected(command: str) -> tuple[list[str], str | None]:
    """Return the tables and the partition of a printed command, as Dagster reads them."""
    words = shlex.split(command)
    assert words[:5] == ["dagster", "asset", "materialize", "-m", "ocr_pipeline.definitions"]
    options = dict(zip(words[5::2], words[6::2], strict=True))
    graph = build_defs().resolve_asset_graph()
    keys = dg.AssetSelection.from_string(options["--select"]).resolve(graph)
    for key in keys:
        partitions = graph.get(key).partitions_def
        assert (partitions is None) == ("--partition" not in options)
        assert partitions is None or partitions.has_partition_key(options["--partition"])
    return sorted(key.to_user_string() for key in keys), options.get("--partition")


def test_every_partition_of_a_root_is_built_by_a_printed_command(store: Store) -> None:
    """Dagster resolves each selection, knows each partition, and nothing of the root is left out."""
    printed = {
        (table, partition)
        for command in rebuild_commands(store)
        for table, partition in [selected(command)]
        for table in table
    }
    there = {
        (table.name, "|".join(keys.values()) or None) for table in TABLES.values() for keys in store.partitions(table)
    }
    assert printed == there


@pytest.mark.slow
def test_a_printed_command_runs(tmp_path: Path, store: Store) -> None:
    """The first one ingests the bundled sample; it is the shell's, as people paste it."""
    command = next(iter(rebuild_commands(store)))
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path), "OCR_PIPELINE_DATA": str(tmp_path / "data")}
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert Store(tmp_path / "data").partitions(TABLES["problems"])
