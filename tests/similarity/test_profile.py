"""Signs of two problems: what both sides say, and nothing from what one leaves out."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ocr_pipeline.similarity.catalogue import Entry
from ocr_pipeline.similarity.evidence import read_facts
from ocr_pipeline.similarity.profile import SAID, Evidence, Sign, compare_profiles, read_profile, spoken

TEXT = "a miller sells flour to every village along the old river"
EMPTY = Entry("x", TEXT, "", "", title=None, license="", has_image=False, n_tests=0, n_solutions=0)


def signs(left: dict[str, Any], right: dict[str, Any], text: str = TEXT, other: str = TEXT) -> frozenset[Sign]:
    """Return the signs of two problems with these columns."""
    return compared(left, right, text, other).signs


def compared(left: dict[str, Any], right: dict[str, Any], text: str = TEXT, other: str = TEXT) -> Evidence:
    """Compare two problems with these columns."""
    one, two = (
        read_profile(read_facts(statement), [replace(EMPTY, statement=statement, **columns)])
        for statement, columns in ((text, left), (other, right))
    )
    return compare_profiles(one, two, cosine=0.9, lexical=0.5)


@pytest.mark.parametrize(
    ("columns", "other", "sign"),
    [
        ({"url": "https://codeforces.com/contest/1/problem/A"}, {"native_id": "1_A. Tour"}, Sign.SAME_ORIGIN),
        ({"native_id": "1_A. Tour"}, {"native_id": "1_B. Mill"}, Sign.OTHER_ORIGIN),
        ({"title": "Paint House II"}, {"title": "Paint House"}, Sign.OTHER_VERSION),
        ({"tags": ["graphs"]}, {"tags": ["strings", "dp"]}, Sign.OTHER_TAGS),
        ({"title": "Mill"}, {"title": "Tour"}, Sign.OTHER_TITLE),
        ({"time_limit_s": 1.0}, {"time_limit_s": 2.0}, Sign.OTHER_TIME_LIMIT),
        ({"memory_limit_mib": 64.0}, {"memory_limit_mib": 256.0}, Sign.OTHER_MEMORY_LIMIT),
        ({"io_mode": "stdin"}, {"io_mode": "function"}, Sign.OTHER_INPUT_FORM),
        ({"site": "kattis"}, {"site": "codechef"}, Sign.OTHER_SITE),
    ],
)
def test_a_sign_needs_both_sides(columns: dict[str, Any], other: dict[str, Any], sign: Sign) -> None:
    """Where one side leaves the column out, nothing is said."""
    assert sign in signs(columns, other)
    assert sign in signs(other, columns)
    assert sign not in signs(columns, {})
    assert sign not in signs({}, other)


def test_common_values_are_no_difference() -> None:
    """One tag in common, or one of two time limits, is not another problem."""
    assert not signs({"tags": ["dp", "graphs"]}, {"tags": ["DP"]})
    assert not signs({"contest_date": date(2024, 1, 1)}, {"contest_date": date(2024, 2, 2)})


def test_another_answer_counts_only_where_one_answer_is_right() -> None:
    """A checker that takes several answers, or a sentence that allows them, makes another output no evidence."""
    asks = f"{TEXT}\n\nInput\n\n3 4\n\nOutput\n\n"
    examples = [f"{asks}{answer}\n" for answer in (7, 12)]
    text, other = (f"Example\n{one}" for one in examples)
    assert Sign.OTHER_ANSWERS in signs({}, {}, text, other)
    assert Sign.OTHER_ANSWERS not in signs({"checker": "special"}, {}, text, other)
    assert Sign.OTHER_ANSWERS not in signs({"checker": "case_insensitive", "float_tolerance": 0.1}, {}, text, other)
    assert Sign.OTHER_ANSWERS not in signs({}, {}, f"print any of them {text}", other)


def test_a_short_text_says_little() -> None:
    """Two problems may have it; a full statement they may not."""
    assert compared({}, {}, "Solve the task.").says_little
    assert not compared({}, {}, " ".join([TEXT] * 3), " ".join([TEXT] * 3)).says_little


def test_every_sign_has_words() -> None:
    """A person never reads the name of a sign; one of a later version is shown as it is."""
    assert set(SAID) == set(Sign)
    assert spoken(["other_bounds", "same_origin", "new"]) == "different upper bounds; published at one place; new"
