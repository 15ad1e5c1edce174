"""Silence is not evidence: what is dropped has evidence, what has none stays and waits for a person."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pyarrow as pa
import pytest

from ocr_pipeline.duplicates import DuplicateConfig, Undecided, check_invariants, compare_problems
from ocr_pipeline.similarity import Reviews, pair_key, read_reviews
from tests.similarity.stub import WordEncoder, problems

STORY = "a miller sells flour to every village along the old river and wants the cheapest tour"
NEAR = f"{STORY} by boat"
FULL = (
    f"{STORY} through all villages, where each road may be used once and each bridge has a toll that he pays in flour"
)
IDENTICAL = 10_000
MANY_TESTS = 100_000


def decided(
    rows: Mapping[str, str],
    *,
    tests: Sequence[tuple[str, str, str]] = (),
    kind: str = "",
    reviews: Reviews | None = None,
    undecided: Undecided = Undecided.KEEP,
    **columns: Sequence[Any],
) -> dict[tuple[str, str], tuple[str, str | None, str | None]]:
    """Return decision, tier and rule of each pair of problems, by their ids; the invariants hold."""
    named = [dict(zip(("problem_id", "input", "expected"), one, strict=True)) | {"kind": kind} for one in tests]
    config = DuplicateConfig(undecided=undecided)
    pairs = compare_problems(
        problems(*rows.items(), **{name: list(values) for name, values in columns.items()}),
        tests=pa.Table.from_pylist(named).to_batches() if named else None,
        config=config,
        encoder=WordEncoder(),
        reviews=reviews or Reviews(),
    ).pairs
    found = pairs.to_pylist()
    kept = set(rows) - {row["dropped_id"] for row in found}
    assert check_invariants(list(rows), sorted(kept), pairs.to_batches(), config.threshold) == []
    return {(row["left_id"], row["right_id"]): (row["decision"], row["decided_by"], row["rule"]) for row in found}


def test_likeness_alone_drops_nothing() -> None:
    """Two statements that are near and show nothing that can be compared both stay."""
    assert decided({"x": STORY, "y": NEAR}) == {("x", "y"): ("undecided", None, None)}


def test_the_plain_threshold_can_be_asked_for() -> None:
    """The option makes it the last tier, and its name is in the table."""
    found = decided({"x": STORY, "y": NEAR}, undecided=Undecided.DROP)
    assert found == {("x", "y"): ("duplicate", "threshold", None)}


def test_one_origin_is_one_problem_whatever_the_text() -> None:
    """A translation is far below the threshold, and found by its address."""
    found = decided(
        {"x": STORY, "y": "un meunier vend sa farine", "z": ""},
        url=["https://codeforces.com/contest/7/problem/C", None, "http://codeforces.com/problemset/problem/7/C"],
        native_id=["1", "7_C. Moulin", "2"],
    )
    assert found == dict.fromkeys(combinations("xyz", 2), ("duplicate", "origin", "same_origin"))


def test_what_says_nothing_never_stays_for_what_does() -> None:
    """Of one origin the row with a statement stays, also where the other one has more tests."""
    url = "https://codeforces.com/contest/7/problem/C"
    pairs = compare_problems(
        problems(("x", "Statement withheld."), ("y", STORY), url=[url, url], n_tests=[90, 1]),
        tests=None, config=DuplicateConfig(), encoder=WordEncoder(), reviews=Reviews(),
    ).pairs  # fmt: skip
    assert pairs["kept_id"].to_pylist() == ["y"]


def test_two_problems_of_one_judge_are_two_unless_the_texts_are_nearly_the_same() -> None:
    """Rounds of two divisions share problems under two names; such a pair waits for a person."""
    ids = {"native_id": ["7_C. Mill", "8_A. Mill"]}
    assert decided({"x": STORY, "y": f"{NEAR} on ice with a sledge"}, **ids) == {
        ("x", "y"): ("distinct", "origin", "other_origin")
    }
    assert decided({"x": FULL, "y": f"{FULL} by boat"}, **ids) == {("x", "y"): ("undecided", None, None)}
    assert decided({"x": FULL, "y": FULL}, **ids) == {("x", "y"): ("duplicate", "exact", None)}


@pytest.mark.parametrize(
    "url", ["https://judge.example/p/1", "https://codeforces.com/contest/7", "file:///etc", "[::1"]
)
def test_addresses_of_unknown_sites_decide_nothing(url: str) -> None:
    """The page of a contest, or of a judge that is not known, is not a problem's origin."""
    assert decided({"x": STORY, "y": NEAR}, url=[url, url]) == {("x", "y"): ("undecided", None, None)}


def test_common_answers_decide() -> None:
    """Inputs of both with the same outputs make one problem, with other outputs two, none in common two."""
    inputs = [f"{n} {n * n}" for n in range(5)]

    def answers(problem_id: str, factor: int, shift: int = 0) -> list[tuple[str, str, str]]:
        return [(problem_id, f"{one} {shift}", str(4_001 * factor * (n + 1))) for n, one in enumerate(inputs)]

    rows, io_mode = {"x": STORY, "y": NEAR}, ["stdin"] * 2
    same = decided(rows, tests=answers("x", 1) + answers("y", 1), io_mode=io_mode)
    other = decided(rows, tests=answers("x", 1) + answers("y", 2), io_mode=io_mode)
    others = answers("x", 1) + answers("y", 1, 7)
    apart = decided(rows | {"y": f"{NEAR} on ice with a sledge"}, tests=others, kind="private", io_mode=io_mode)
    shown = decided(rows, tests=others, kind="public", io_mode=io_mode)
    assert same == {("x", "y"): ("duplicate", "rule", "same_examples")}
    assert other == {("x", "y"): ("distinct", "rule", "other_answers")}
    assert apart == {("x", "y"): ("distinct", "rule", "other_tests")}
    assert shown == {("x", "y"): ("distinct", "rule", "other_examples")}


def test_examples_do_not_outvote_one_other_word() -> None:
    """Houses in a line and in a circle share both examples, and have no titles here; ten tests in common would decide."""
    line, circle = (f"{FULL}; the villages are in a {word}" for word in ("line", "circle"))
    examples = [(one, given, answer) for one in "xy" for given, answer in (("1 2 3 1", "4000"), ("2 7 9 3 1", "12000"))]
    assert decided({"x": line, "y": circle}, tests=examples) == {("x", "y"): ("undecided", None, None)}
    many = [(one, f"{n} {n + 1} {n + 3}", str(4_001 * n + 4_000)) for one in "xy" for n in range(10)]
    assert decided({"x": line, "y": circle}, tests=many) == {("x", "y"): ("duplicate", "rule", "same_examples")}


def test_one_common_example_is_not_enough() -> None:
    """Power of two and of four share ``n = 1``; ``root = []`` is an input of every tree."""
    found = decided(
        {"x": f"{STORY} two", "y": f"{STORY} four"},
        tests=[("x", "n = 1", "true"), ("x", "n = 2", "true"), ("y", "n = 1", "true"), ("y", "n = 16", "true")],
        io_mode=["function"] * 2,
    )
    assert found == {("x", "y"): ("undecided", None, None)}
    trees = decided({"x": STORY, "y": NEAR}, tests=[("x", "root = []", "[]"), ("y", "root = []", "[]")])
    assert trees == {("x", "y"): ("undecided", None, None)}


@pytest.mark.parametrize(
    ("one", "other"), [("the product", "the division"), ("two to three", "three"), ("the left", "the right")]
)
def test_one_other_word_in_a_short_text_is_not_outvoted_by_small_answers(one: str, other: str) -> None:
    """Benchmarks hold such pairs, and share all three tests: what few small outputs tell is not enough."""
    rows = {
        "x": f"find {one} of first even and odd number of a given list",
        "y": f"find {other} of first even and odd number of a given list",
    }
    tests = [
        (name, f"[[{given}]]", answer)
        for name in rows
        for given, answer in (("1,3,4", "4"), ("1,2", "2"), ("1,5,9,10", "10"))
    ]
    (said,) = decided(rows, tests=tests, io_mode=["function"] * 2).values()
    assert said[0] != "duplicate"


def test_parts_of_a_series_are_never_one_problem() -> None:
    """I, II and III may share the text and all examples."""
    rows = {"x": FULL, "y": f"{FULL} once", "z": f"{FULL} twice"}
    answer = ("n = 3, toll = 41", "123456789")
    found = decided(rows, tests=[(one, *answer) for one in rows], title=["Mill", "Mill II", "Mill III"])
    assert set(found.values()) == {("distinct", "rule", "other_version")}
    assert len(found) == 3


@pytest.mark.parametrize("text", ["Solve the task.", "See the attached PDF.", "", "Statement withheld"])
def test_equal_texts_that_say_little_do_not_hide_other_problems(text: str) -> None:
    """Where origins differ, or known answers contradict each other, a short text is not evidence."""
    tests = [("x", "1 2", "3"), ("x", "5 5", "10"), ("y", "1 2", "2"), ("y", "5 5", "25")]
    by_tests = decided({"x": text, "y": text}, tests=tests)
    by_origin = decided({"x": text, "y": text}, native_id=["7_C. Mill", "9_A. Tour"])
    assert {one[0] for one in (*by_tests.values(), *by_origin.values())} <= {"distinct"}


def test_equal_full_texts_with_contradicting_answers_wait_for_a_person() -> None:
    """One of the two has wrong tests, or the text hides what differs: nobody can tell from here."""
    tests = [("x", "1 2", "3"), ("x", "5 5", "10"), ("y", "1 2", "2"), ("y", "5 5", "25"), ("z", "5 5", "25")]
    found = decided({"x": FULL, "y": FULL, "z": FULL}, tests=tests)
    assert found == {
        ("x", "y"): ("undecided", None, None),
        ("x", "z"): ("undecided", None, None),
        ("y", "z"): ("duplicate", "exact", None),
    }


def test_a_text_of_many_problems_of_one_judge_is_a_placeholder() -> None:
    """Twenty contest problems whose text is that of their page's frame all stay."""
    rows = {f"p/{number:02}": FULL for number in range(20)}
    assert decided(rows, native_id=[f"{number}_A. Mill" for number in range(1, 21)]) == {}


def test_ten_thousand_identical_statements_are_one_problem() -> None:
    """A row for each that is dropped, in the time of a list."""
    found = decided({f"p/{number:05}": STORY for number in range(IDENTICAL)})
    assert len(found) == IDENTICAL - 1
    assert set(found.values()) == {("duplicate", "exact", None)}


def test_ten_thousand_placeholders_are_ten_thousand_problems() -> None:
    """Each may be a problem of its own, and no pair of them is written."""
    assert decided({f"p/{number:05}": "See the attached PDF." for number in range(IDENTICAL)}) == {}


def test_a_problem_with_a_hundred_thousand_tests_is_compared_like_any_other() -> None:
    """Its tests are evidence as those of a small problem are."""
    tests = [("x", f"{n} {n}", str(n * 7 + 100_000)) for n in range(MANY_TESTS)] + [
        ("y", f"{n} {n}", str(n * 7 + 100_000)) for n in range(20)
    ]
    assert decided({"x": STORY, "y": NEAR}, tests=tests) == {("x", "y"): ("duplicate", "rule", "same_examples")}


def reviews_of(*votes: tuple[str, str, str, str]) -> Reviews:
    """Return reviews of pairs of texts: decision and reviewer."""
    return read_reviews(
        pa.Table.from_pylist(
            [{"pair_key": pair_key(one, other), "decision": said, "reviewer": who} for one, other, said, who in votes]
        )
    )


def test_reviews_in_a_circle_keep_one_problem() -> None:
    """A is B, B is C, C is A: one of the three stays, and it is the witness of both others."""
    rows = {"a": STORY, "b": f"{STORY} once", "c": f"{STORY} twice"}
    texts = list(rows.values())
    circle = [(texts[i], texts[(i + 1) % 3], "duplicate", "ann") for i in range(3)]
    assert set(decided(rows, reviews=reviews_of(*circle)).values()) == {("duplicate", "review", None)}


def test_reviews_that_cannot_all_be_true_are_each_followed() -> None:
    """A is B and B is C, but A is not C: nobody is dropped for a problem that people called another one."""
    rows = {"a": STORY, "b": f"{STORY} once", "c": f"{STORY} twice"}
    a, b, c = rows.values()
    said = reviews_of((a, b, "duplicate", "ann"), (b, c, "duplicate", "ann"), (a, c, "distinct", "ann"))
    found = decided(rows, reviews=said)
    assert {pair: one[0] for pair, one in found.items()} == {
        ("a", "b"): "duplicate", ("a", "c"): "distinct", ("b", "c"): "duplicate",
    }  # fmt: skip


def test_reviewers_who_contradict_each_other_decide_nothing() -> None:
    """Their pair is as undecided as before."""
    said = reviews_of((STORY, NEAR, "duplicate", "ann"), (STORY, NEAR, "distinct", "bob"))
    assert decided({"x": STORY, "y": NEAR}, reviews=said) == {("x", "y"): ("undecided", None, None)}


def test_a_reviewed_pair_stays_decided_after_another_ingestion() -> None:
    """Other ids, another order, other mark-up: the same two texts are not asked about again."""
    said = reviews_of((STORY, NEAR, "distinct", "ann"))
    found = decided({"new/2": f"<p>{NEAR}</p>\n", "new/1": STORY.upper()}, reviews=said)
    assert found == {("new/1", "new/2"): ("distinct", "review", None)}
