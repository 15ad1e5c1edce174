"""Selections with a name are read from a file of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_pipeline.errors import InputError
from ocr_pipeline.samples.named import read_selections
from ocr_pipeline.samples.options import Execution, SelectionConfig
from ocr_pipeline.tables import SFT_DATASET, table_named


def write(folder: Path, text: str) -> Path:
    """Write a file of selections."""
    path = folder / "selections.toml"
    path.write_text(text)
    return path


def test_a_section_is_a_table_with_its_own_defaults(tmp_path: Path) -> None:
    """What it does not say is as everywhere."""
    found = read_selections(write(tmp_path, '[best]\nexecution = "passing"\nsamples_per_problem_max = 2\n'))[0]
    assert (found.table.name, found.table.schema) == ("sft_dataset_best", SFT_DATASET.schema)
    assert table_named("sft_dataset_best").key == SFT_DATASET.key
    options = found.options()
    assert (options.execution, options.samples_per_problem_max) == (Execution.PASSING, 2)
    assert options.replaced(execution=Execution.ALL, samples_per_problem_max=None) == found.options(
        execution="all", samples_per_problem_max=None
    )
    assert SelectionConfig().execution is Execution.ALL


def test_what_is_not_a_file_is_one_line(tmp_path: Path) -> None:
    """A path that was mistyped does not make the selections vanish."""
    for path in (tmp_path, tmp_path / "selections.toml"):
        with pytest.raises(InputError, match="cannot be read"):
            read_selections(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[best]\nexecution = 'some'\n", r"\[best\]: execution must be one of all, passing, failing, got `some`"),
        ("[best]\nexecutions = 'all'\n", r"\[best\]: there is no option `executions`"),
        ("[best]\npass_rate_min = 2\n", r"\[best\]: pass_rate_min must be between 0 and 1, got 2"),
        ("[best]\nmix = 'x=1'\n", r"\[best\]: mix must be a list, got `x=1`"),
        ("[Best one]\n", "is not TOML"),
        ('["Best"]\n', "of lower-case letters"),
        ("best = 1\n", "a selection is a section such as"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    """The line names the file, the section and the option."""
    with pytest.raises(InputError, match=message) as error:
        read_selections(write(tmp_path, text))
    assert "selections.toml" in str(error.value)
