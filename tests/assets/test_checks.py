"""Asset checks tell about every partition of a table, whichever one a run builds, and read again only what changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.checks import build_checks
from assets.flow import step_asset
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.samples.steps import SEPARATE
from ocr_pipeline.store import Store
from ocr_pipeline.store.manifest import MANIFEST
from ocr_pipeline.tables import RESPONSES, SAMPLES
from resources import RESOURCES, StoreResource
from tests.evidence import root as fixture

TACO, APPS = ({"dataset": name, "language": "python"} for name in ("taco", "apps"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a root with one response in each of two partitions."""
    opened = Store(tmp_path)
    for keys in (TACO, APPS):
        response = {
            "request_id": keys["dataset"],
            "problem_id": fixture.SUM,
            "language": "python",
            "text": fixture.TEXT,
        }
        fixture.put(opened, RESPONSES, [response], keys)
    return opened


Found = dict[str, dg.AssetCheckEvaluation]


class Page:
    """Materializes ``samples`` of a root, and checks them."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        """Take the resources that the definitions have."""
        self.resources = {name: resource() for name, (resource, _) in RESOURCES.items()} | {
            "store": StoreResource(root=str(root))
        }
        self.instance = instance

    def run(self, selection: dg.AssetSelection, partition: str | None) -> Found:
        """Return what the checks say."""
        result = dg.materialize(
            [step_asset(SEPARATE), *build_checks([SAMPLES])],
            selection=selection,
            instance=self.instance,
            resources=self.resources,
            partition_key=partition,
            raise_on_error=False,
        )
        return {one.check_name: one for one in result.get_asset_check_evaluations()}

    def build(self, keys: dict[str, str]) -> Found:
        """Materialize one partition."""
        return self.run(dg.AssetSelection.assets("samples"), "|".join(keys.values()))

    def check(self) -> Found:
        """Check what is there."""
        return self.run(dg.AssetSelection.checks_for_assets("samples"), None)


@pytest.fixture
def page(store: Store) -> Iterator[Page]:
    """Return an instance over the root, in which both partitions are built."""
    with dg.DagsterInstance.ephemeral() as instance:
        opened = Page(Path(store.root), instance)
        for keys in (TACO, APPS):
            assert all(one.passed for one in opened.build(keys).values())
        yield opened


def repeat_rows(store: Store, keys: dict[str, str]) -> None:
    """Write every row of a partition of samples twice, by the same step from the same input."""
    made = store.manifest(SAMPLES, **keys)
    assert made is not None
    with store.writer(SAMPLES, keys, config=made.config, code_version=made.code_version, inputs=made.inputs) as writer:
        for _ in range(2):
            writer.write(store.open(SAMPLES, **keys).to_table().select(SAMPLES.schema.names))
        writer.counts = StageCounts(rows_in=2, kept=2)


def test_a_broken_partition_stays_on_the_page_and_stops_no_other(page: Page, store: Store) -> None:
    """A run of a good partition does not paint over a broken one, and warns only; the broken one's own run fails."""
    repeat_rows(store, TACO)
    other, own = page.build(APPS)["key_is_unique"], page.build(TACO)["key_is_unique"]
    assert (other.passed, other.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert other.description == own.description
    assert str(own.description).startswith("taco|python sample_id=")
    assert (own.passed, own.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_what_did_not_change_is_read_again_only_where_a_check_runs_alone(page: Page, store: Store) -> None:
    """A part file that was exchanged behind the manifest's back is found when somebody asks for the check."""
    before = Path(store.path(SAMPLES, **TACO)) / MANIFEST
    kept = before.read_text(encoding="utf-8")
    repeat_rows(store, TACO)
    before.write_text(kept, encoding="utf-8")
    built = page.build(APPS)
    assert built["key_is_unique"].passed
    assert built["rows_are_conserved"].description == "taco|python 2 rows on disk, 1 in the manifest"
    alone = page.check()["key_is_unique"]
    assert (alone.passed, alone.severity) == (False, dg.AssetCheckSeverity.ERROR)
