"""Rates, their intervals, and the bands of trust."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.quality.rates import Band, Rate, band_of

NONE = Rate(0, 0)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share(case: tuple[int, int]) -> None:
    """It lies between 0 and 1, around the share, and is never empty."""
    low, high = Rate(*case).interval
    assert low is not None
    assert high is not None
    assert 0 <= low <= case[0] / case[1] + 1e-12
    assert case[0] / case[1] - 1e-12 <= high <= 1
    assert low < high


def test_the_interval_is_wilsons() -> None:
    """Values of the usual tables for 8 of 10, and for all of 5."""
    assert Rate(8, 10).interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert Rate(5, 5).interval == pytest.approx((0.5655, 1.0), abs=1e-4)
    assert (NONE.value, NONE.interval, str(NONE)) == (None, (None, None), "none tried")


@pytest.mark.parametrize(
    ("wrong", "mutants", "band"),
    [
        (Rate(9, 10), NONE, Band.STRONG),
        (Rate(7, 10), NONE, Band.FAIR),
        (Rate(6, 10), Rate(10, 10), Band.WEAK),
        (Rate(3, 3), NONE, None),
        (Rate(3, 3), Rate(12, 12), Band.FAIR),
        (Rate(3, 3), Rate(6, 12), Band.WEAK),
        (Rate(3, 3), Rate(3, 3), None),
    ],
)
def test_bands_go_by_wrong_programs_where_there_are_some(wrong: Rate, mutants: Rate, band: Band | None) -> None:
    """Few wrong programs say too little; mutants alone never make a strong band."""
    assert band_of(wrong, mutants) is band
