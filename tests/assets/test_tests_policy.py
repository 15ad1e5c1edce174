"""Which tests decide about what a student writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.student import _judged_by
from ocr_pipeline.errors import InputError
from ocr_pipeline.judge.policy import TestsPolicy
from ocr_pipeline.store import Store
from ocr_pipeline.tables import GENERATED_TESTS, PROBLEMS, TEST_PROGRAMS, TEST_TRUST, TESTS
from tests.evidence.root import problem, put

TACO = {"dataset": "taco"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a data root with a problem that has a test of the source, one that was made, and a checker."""
    store = Store(tmp_path)
    put(store, PROBLEMS, [problem("taco/train/1", checker="special")], {**TACO})
    put(store, TESTS, [{"problem_id": "taco/train/1", "test_id": "0"}], TACO)
    put(store, GENERATED_TESTS, [{"problem_id": "taco/train/1", "test_id": "g0"}], TACO)
    checker = {"problem_id": "taco/train/1", "role": "checker", "code": "print(1)", "verdict": "used"}
    put(store, TEST_PROGRAMS, [checker], TACO)
    return store


def decided_by(policy: TestsPolicy, store: Store) -> tuple[list[str], list[str | None]]:
    """Return the ids of the tests that decide, and the checkers."""
    given = (list(store.open(table, **TACO).to_batches()) for table in (PROBLEMS, TESTS))
    problems, tests = _judged_by(policy, store, *given, **TACO)
    return (
        [name for batch in tests for name in batch["test_id"].to_pylist()],
        [code for batch in problems for code in batch["checker_code"].to_pylist()],
    )


@pytest.mark.parametrize(
    ("policy", "tests", "checker"),
    [
        (TestsPolicy.SOURCE, ["0"], None),
        (TestsPolicy.ALL, ["0", "g0"], "print(1)"),
        (TestsPolicy.TRUSTED, ["g0"], "print(1)"),
    ],
)
def test_a_student_is_judged_by_the_tests_of_a_policy(
    policy: TestsPolicy, tests: list[str], checker: str | None, store: Store
) -> None:
    """Made tests come with the checker that they were made with; nobody has checked the source's."""
    assert decided_by(policy, store) == (tests, [checker])


def test_tests_that_test_trust_has_checked_are_trusted(store: Store) -> None:
    """Those of the source count where right programs were asked about them."""
    put(store, TEST_TRUST, [{"problem_id": "taco/train/1", "flag": "trusted"}], TACO)
    assert decided_by(TestsPolicy.TRUSTED, store)[0] == ["0", "g0"]


def test_a_policy_without_made_tests_says_what_to_do(tmp_path: Path) -> None:
    """Nothing is judged by fewer tests than were asked for."""
    with pytest.raises(InputError, match="materialize generated_tests"):
        _judged_by(TestsPolicy.ALL, Store(tmp_path), [], [], **TACO)
