"""The data card says what the manifests say; the plots are small PNGs."""

from pathlib import Path

import pytest

from ocr_pipeline.evidence import data_card, histogram
from ocr_pipeline.store import Store
from tests.evidence import root as fixture

PNG = b"\x89PNG\r\n"
LARGEST_BYTES = 50_000


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the card of the small data root."""
    return data_card(fixture.build_root(tmp_path_factory.mktemp("root")))


@pytest.mark.parametrize(
    "expected",
    [
        "| taco | python | 1 |",
        "| problems | 6 | 5 | 1 no_statement |",
        "| mit | 1 |",
        "Statements left out because of their licence: 1 rows.",
        "- python: `teacher@1`",
        '- sft_dataset: `{"execution":"passing"}`',
        "--select 'key:responses or key:samples or key:executions or key:reasoning_patterns or key:sft_dataset' --partition 'taco|python'",
        "- `responses/solve_python`: `" + "f" * 64,
        "- `plans/backward`: `" + "b" * 64,
        "- duplicate_pairs: of 2 pairs of problems no evidence decides 1; 0 are kept and wait for a review, 1 are dropped",
        "- contamination: of 1 suspects of contamination no evidence decides 0",
        "## Known limits",
        "| sft_dataset/taco/python | 1 | 1 |",
    ],
)
def test_card_tells(card: str, expected: str) -> None:
    """Counts, funnel, licences, models, configuration, how to rebuild and limits all stand in it."""
    assert expected in card


def test_card_does_not_depend_on_the_place(card: str, tmp_path: Path) -> None:
    """The same data gives the same card wherever it lies."""
    assert data_card(fixture.build_root(tmp_path)) == card


def test_card_of_an_empty_root(tmp_path: Path) -> None:
    """There is a card before there is data."""
    assert "0 rows in 0 partitions" in data_card(Store(tmp_path))


@pytest.mark.parametrize("values", [[], [0.5], [1.0, 1.0], [n / 10 for n in range(1000)]])
def test_histogram_is_a_small_png(values: list[float]) -> None:
    """Empty and constant values included."""
    picture = histogram(values, "entropy")
    assert picture.startswith(PNG)
    assert len(picture) < LARGEST_BYTES


def test_same_values_give_the_same_bytes() -> None:
    """Nothing of the clock or the version is in the picture."""
    assert histogram([0.5, 1.0], "t") == histogram([0.5, 1.0], "t")
