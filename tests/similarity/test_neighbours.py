"""All pairs at or above a cosine, exactly."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import neighbours, neighbours_between, shortening
from ocr_pipeline.similarity import neighbours as search
from ocr_pipeline.similarity.scores import settle_cosines, similar_pairs
from ocr_pipeline.similarity.shortening import ProductKind, product_kind, shorten
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


@pytest.fixture(params=list(ProductKind))
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ProductKind:
    """Search small sets as large ones are searched, with each kind of product."""
    chosen: ProductKind = request.param
    if chosen is ProductKind.INT8 and product_kind() is ProductKind.FLOAT32:
        pytest.skip("this processor has no exact int8 products")
    monkeypatch.setattr(shortening, "FEWEST_PAIRS", 0)
    monkeypatch.setattr(shortening, "product_kind", lambda: chosen)
    return chosen


def steep_rows(count: int, seed: int, steepness: float) -> npt.NDArray[np.float32]:
    """Return unit rows whose principal directions shrink by a factor each, in a turned space."""
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(24, 24)))[0]
    rows = random.normal(size=(count, 24)) * steepness ** np.arange(24)
    rows[: count // 2] += random.normal(size=(count // 2, 24)) * 0.05  # no row lies in the kept directions alone
    return ((rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ turn).astype(np.float32)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(1, 400), seed=st.integers(0, 10_000), steepness=st.floats(0.5, 1), threshold=st.floats(-0.5, 0.99)
)
def test_shortened_rows_miss_no_pair(
    kind: ProductKind,  # noqa: ARG001 - every search below uses it
    count: int,
    seed: int,
    steepness: float,
    threshold: float,
) -> None:
    """Folded and rounded stand-ins find exactly the pairs of brute force, whatever the kind of product."""
    vectors = steep_rows(count, seed, steepness)
    expected = {(i, j) for i, j in brute_force(vectors, vectors, threshold) if i < j}
    assert {(i, j) for i, j, _ in neighbours(vectors, threshold)} == expected
    other = steep_rows(50, seed + 1, steepness)
    found = {(i, j) for i, j, _ in neighbours_between(vectors, other, threshold)}
    assert found == brute_force(vectors, other, threshold)


def test_rows_are_folded_only_where_it_pays(kind: ProductKind) -> None:
    """Rows of few directions lose half their coordinates; of even ones folding would bring strangers to the threshold."""
    even = unit_rows(2_000, 1, spread=0.9)
    few = np.hstack([unit_rows(2_000, 1, spread=0.9)[:, :10], np.full((2_000, 14), 1e-4, np.float32)])
    assert shorten(few, few, 0.9, kind).width == 12
    assert shorten(even, even, 0.6, kind).width == 24


def test_a_coordinate_that_outshines_the_others_misses_no_pair(kind: ProductKind) -> None:
    """Models with a few large coordinates are rounded after a turn, with a margin that is computed, not assumed."""
    rows = unit_rows(500, 3, spread=0.9)
    rows[:, 0] += 3
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    threshold = float(np.quantile(rows[0] @ rows.T, 0.9))
    found = {(i, j) for i, j, _ in neighbours(rows, threshold)}
    assert found == {(i, j) for i, j in brute_force(rows, rows, threshold) if i < j}
    assert len(found) > 1_000, kind


def test_two_sets_are_compared_crosswise() -> None:
    """Every row of one set meets every row of the other."""
    left, right = unit_rows(40, 1), unit_rows(30, 2)
    assert {(i, j) for i, j, _ in neighbours_between(left, right, 0.3)} == brute_force(left, right, 0.3)


def test_a_threshold_that_is_no_cosine_is_refused() -> None:
    """1.5 is no cosine."""
    with pytest.raises(InputError, match=r"1\.5 is no cosine"):
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
