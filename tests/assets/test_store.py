"""Where what is not a table is kept."""

from pathlib import Path

import pytest

from ocr_pipeline.errors import InputError
from resources import StoreResource


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
