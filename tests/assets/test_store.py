"""Where what is not a table is kept."""

from pathlib import Path

import pytest

from ocr_pipeline.errors import InputError, MissingInputError
from ocr_pipeline.flow import FLOW
from ocr_pipeline.judge.steps import JUDGE
from ocr_pipeline.steps import stored_rows
from ocr_pipeline.store import InputRef, Store
from ocr_pipeline.tables import CLEAN_PROBLEMS
from resources import StoreResource
from tests.evidence import root as fixture


def test_beside_the_data_where_that_is_a_folder(tmp_path: Path) -> None:
    """Nothing else has to be said."""
    assert StoreResource(root=str(tmp_path)).side_folder("ledger") == tmp_path / "_ledger"


def test_in_the_named_folder_where_the_data_is_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by a variable or in the launchpad; without one nothing is paid for that could be lost."""
    monkeypatch.delenv("OCR_PIPELINE_LOCAL", raising=False)
    with pytest.raises(InputError, match="`mock://bucket/root` is not a folder: set OCR_PIPELINE_LOCAL"):
        StoreResource(root="mock://bucket/root").side_folder("ledger")
    monkeypatch.setenv("OCR_PIPELINE_LOCAL", str(tmp_path))
    assert StoreResource(root="mock://bucket/root").side_folder("ledger") == tmp_path / "_ledger"


def _read_of_problems(store: Store) -> list[InputRef]:
    """Return what the partitions of ``taco`` read of the clean problems."""
    return [
        reference
        for step in FLOW
        if step.partition_by and any(read.table is CLEAN_PROBLEMS for read in step.reads)
        for reference in stored_rows(step, store, fixture.PYTHON, lambda _: "train")[CLEAN_PROBLEMS.name].references
    ]


def test_a_new_problem_concerns_its_own_data_set_alone(tmp_path: Path) -> None:
    """Partitions of another one are not built again: what they read is a slice, which is as it was."""
    store, read = Store(tmp_path), []
    for names in ([fixture.SUM], [fixture.SUM, fixture.LEAKED], [fixture.SUM, fixture.SORT]):
        fixture.put(store, CLEAN_PROBLEMS, [fixture.unique(name) for name in names])
        read.append(_read_of_problems(store))
    assert len(read[0]) > 3
    assert read[0] == read[1]
    assert not set(map(str, read[1])) & set(map(str, read[2]))


def test_a_data_set_without_problems_needs_nothing_else(tmp_path: Path) -> None:
    """Its partitions can be built, empty, and are built again when it has problems; before that what is missing is named."""
    store, keys = Store(tmp_path), {"dataset": "kattis", "language": "python"}
    before = stored_rows(JUDGE, store, keys, lambda _: "train")
    with pytest.raises(MissingInputError, match="materialize it first"):
        list(before["tests"].references)
    fixture.put(store, CLEAN_PROBLEMS, [fixture.unique(fixture.SUM)])
    rows = stored_rows(JUDGE, store, keys, lambda _: "train")
    assert [list(rows[read.table.name].batches()) for read in JUDGE.reads if not read.is_optional] == [[], [], []]
    references = [one for read in JUDGE.reads for one in rows[read.table.name].references]
    assert [one.table for one in references] == ["clean_problems"]
    assert not rows["test_trust"].follow(rows["tests"])
