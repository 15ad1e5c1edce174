"""All pairs at or above a cosine, exactly."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import neighbours, neighbours_between
from ocr_pipeline.similarity import neighbours as search
from ocr_pipeline.similarity.scores import settle_cosines, similar_pairs
from tests.similarity.stub import WordEncoder


def unit_rows(count: int, seed: int, spread: float = 0.6) -> npt.NDArray[np.float32]:
    """Return unit rows around a few centres, so that many pairs are near any threshold."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(4, 24))
    rows = centres[random.integers(0, 4, count)] + spread * random.normal(size=(count, 24))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def brute_force(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], threshold: float
) -> set[tuple[int, int]]:
    """Compare every row with every other in float64."""
    products = left.astype(np.float64) @ right.astype(np.float64).T
    return {(int(i), int(j)) for i, j in zip(*np.nonzero(products >= threshold), strict=True)}


@settings(max_examples=12, deadline=None)
@given(count=st.integers(0, 60), seed=st.integers(0, 10_000), threshold=st.floats(-0.9, 0.99))
def test_the_pairs_are_those_of_brute_force(count: int, seed: int, threshold: float) -> None:
    """No pair is missed, none is invented, and they come sorted."""
    vectors = unit_rows(count, seed)
    found = [(i, j) for i, j, _ in neighbours(vectors, threshold)]
    assert found == sorted(found)
    assert set(found) == {(i, j) for i, j in brute_force(vectors, vectors, threshold) if i < j}


def test_tiles_lose_nothing_at_their_borders() -> None:
    """More rows than one tile holds give the same pairs."""
    vectors = unit_rows(5_000, seed=1, spread=0.35)
    found = neighbours(vectors, 0.97)
    assert {(i, j) for i, j, _ in found} == {(i, j) for i, j in brute_force(vectors, vectors, 0.97) if i < j}
    assert len(found) > 100


@pytest.fixture(params=[True, False], ids=["bfloat16", "float32"])
def has_units(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Search as a processor with units for bfloat16 does, and as one without."""
    chosen: bool = request.param
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": chosen})
    return chosen


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 400), seed=st.integers(0, 10_000), threshold=st.floats(-0.5, 0.99))
def test_no_kind_of_product_misses_a_pair(
    has_units: bool,  # noqa: ARG001, FBT001 - every search below uses it
    count: int,
    seed: int,
    threshold: float,
) -> None:
    """Rounded products find exactly the pairs of brute force, in one set and between two."""
    vectors, other = unit_rows(count, seed), unit_rows(50, seed + 1)
    expected = {(i, j) for i, j in brute_force(vectors, vectors, threshold) if i < j}
    assert {(i, j) for i, j, _ in neighbours(vectors, threshold)} == expected
    found = {(i, j) for i, j, _ in neighbours_between(vectors, other, threshold)}
    assert found == brute_force(vectors, other, threshold)


def test_a_coordinate_that_outshines_the_others_misses_no_pair(has_units: bool) -> None:  # noqa: FBT001 - a fixture
    """Models with a few large coordinates are rounded within the same margin."""
    rows = unit_rows(500, 3, spread=0.9)
    rows[:, 0] += 3
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    threshold = float(np.quantile(rows[0] @ rows.T, 0.9))
    found = {(i, j) for i, j, _ in neighbours(rows, threshold)}
    assert found == {(i, j) for i, j in brute_force(rows, rows, threshold) if i < j}
    assert len(found) > 1_000, has_units


def test_two_sets_are_compared_crosswise() -> None:
    """Every row of one set meets every row of the other."""
    left, right = unit_rows(40, 1), unit_rows(30, 2)
    assert {(i, j) for i, j, _ in neighbours_between(left, right, 0.3)} == brute_force(left, right, 0.3)


def test_a_threshold_outside_the_cosines_is_refused() -> None:
    """A cosine lies between -1 and 1."""
    with pytest.raises(InputError, match=r"threshold must be between -1 and 1, got 1\.5"):
        neighbours(unit_rows(3, 1), 1.5)


def test_vectors_that_are_not_finite_are_refused() -> None:
    """A model that gives NaN is named as the cause."""
    vectors = unit_rows(3, 1)
    vectors[1, 0] = np.nan
    with pytest.raises(InputError, match="not finite"):
        neighbours(vectors, 0.5)


def test_rounding_noise_changes_no_byte() -> None:
    """Vectors that differ as batches, threads and processors make them differ give equal pairs and cosines."""
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    random = np.random.default_rng(3)
    texts = sorted({" ".join(random.choice(words, 12)) for _ in range(300)})
    runs = [list(similar_pairs(texts, WordEncoder(noise=2e-8, seed=seed), 0.75)) for seed in range(4)]
    assert len(runs[0]) > 1_000
    assert runs[0] == runs[1] == runs[2] == runs[3]


def test_a_cosine_at_the_threshold_is_never_shown_below_it() -> None:
    """Rounding does not bring a pair under the threshold that let it in."""
    encoder = WordEncoder()
    texts = ["a b c d", "a b c e"]
    exact = encoder.encode_precisely(texts)
    threshold = float(exact[0] @ exact[1]) - 2e-5
    pairs = settle_cosines(search(encoder.encode(texts), threshold), texts, texts, encoder, threshold)
    assert pairs.cosine[0] >= threshold
