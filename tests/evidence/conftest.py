"""A data root in which every row can be found again; and the storage that tests of releases share with those of the store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ocr_pipeline.store import Store
from tests.evidence import root as fixture
from tests.store.conftest import root, s3, s3_server

__all__ = ["root", "s3", "s3_server"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a data root once, to be copied."""
    folder = tmp_path_factory.mktemp("template") / "root"
    fixture.build_root(folder)
    return folder


@pytest.fixture
def store(tmp_path: Path, template: Path) -> Store:
    """Return a data root in which every row can be found again."""
    return Store(shutil.copytree(template, tmp_path / "root"))
