"""Signs of many pairs at once are those of each pair."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_pipeline.similarity.cases import CaseComparison, cases_of
from ocr_pipeline.similarity.catalogue import Entry
from ocr_pipeline.similarity.evidence import read_facts
from ocr_pipeline.similarity.profile import Profile, Sign, compare_profiles, read_profile
from ocr_pipeline.similarity.signs import SignTable, mask_of, signs_of

SENTENCES = (
    "a miller sells flour", "1 <= n <= 100", "1 <= n <= 10^5", "0 <= k <= 7", "print the smallest one", "print the largest one",
    "this is the easy version of the problem", "this is the hard version of the problem", "def f(x):",
)  # fmt: skip
EXAMPLES = ("1 2 3 4\n", "9 1 2 3 4\n", "x = 5\n", "7\n")


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Return what a small made-up problem says."""
    parts = draw(st.lists(st.sampled_from(SENTENCES), max_size=4, unique=True))
    shown = draw(st.lists(st.sampled_from(EXAMPLES), max_size=2, unique=True))
    text = "\n".join([*parts, *(f"Example\nInput\n{one}\nOutput\n{draw(st.sampled_from('12'))}\n" for one in shown)])
    entry = Entry(
        "x", text, "", "", license="", has_image=False, n_tests=0, n_solutions=0,
        title=draw(st.sampled_from([None, "Mill", "Mill II", "Mill (II)", "Tour"])),
        native_id=draw(st.sampled_from([None, "1_A. Mill", "1_D1. Mill", "1_D2. Mill", "2_A. Tour"])),
        site=draw(st.sampled_from([None, "codeforces", "kattis"])),
        io_mode=draw(st.sampled_from(["", "stdin", "function"])),
        time_limit_s=draw(st.sampled_from([None, 1.0, 2.0])),
        memory_limit_mib=draw(st.sampled_from([None, 64.0, 256.0])),
        tags=draw(st.lists(st.sampled_from(["dp", "graphs"]), max_size=2)),
    )  # fmt: skip
    case = st.tuples(st.integers(1, 4), st.integers(1, 2), st.just(3), st.just(4), st.integers(0, 2))
    tests = cases_of(draw(st.lists(case, max_size=3)))
    return read_profile(read_facts(text), [entry], [tests] if len(tests) else [])


@settings(max_examples=200, deadline=None)
@given(st.lists(profiles(), min_size=2, max_size=6))
def test_arrays_and_objects_say_the_same(found: Sequence[Profile]) -> None:
    """For every pair that the arrays call whole; of the others they say nothing."""
    pairs = np.array(list(combinations(range(len(found)), 2)), np.int64)
    compared = SignTable(found).compare(*pairs.T)
    for row, (one, other) in enumerate(pairs.tolist()):
        evidence = compare_profiles(found[one], found[other], cosine=0.9, lexical=0.5)
        assert compared.says_little[row] == evidence.says_little
        if compared.is_whole[row]:
            assert signs_of(int(compared.masks[row])) == evidence.signs
            assert evidence.cases == CaseComparison()


def test_only_pairs_with_something_in_common_become_objects() -> None:
    """A common input, or an example that ends another one, has to be looked at; all else is decided from arrays."""
    asks = "Example\nInput\n{}\n\nOutput\n7\n"
    texts = [asks.format(one) for one in ("1 2 3 4", "4 1 2 3 4", "8 8 8 8", "8 8 8 8")]
    table = SignTable([read_profile(read_facts(text), []) for text in texts])
    left, right = np.array([0, 0, 2]), np.array([1, 2, 3])
    assert table.compare(left, right).is_whole.tolist() == [False, True, False]


def test_a_mask_holds_any_signs() -> None:
    """Bits and signs are one another's names."""
    assert signs_of(mask_of(list(Sign))) == set(Sign)
    assert signs_of(0) == frozenset()
