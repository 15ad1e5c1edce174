"""Which tests a policy takes, and how good they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pyarrow as pa
import pytest

from ocr_pipeline.errors import InputError
from ocr_pipeline.judge.policy import TestsPolicy, chosen_tests, quality_of
from ocr_pipeline.tables import TEST_QUALITY, TESTS
from tests.samples.rows import rows

TRUST = [
    {"problem_id": "checked", "test_id": None, "flag": "tests_flagged"},
    {"problem_id": "checked", "test_id": "0001", "flag": "rejects_solutions"},
    {"problem_id": "unchecked", "test_id": None, "flag": "unchecked"},
]


def given(prefix: str) -> Any:
    """Return what gives one test of each problem."""

    def lookup(_: Collection[str]) -> Iterable[pa.RecordBatch]:
        names = ("checked", "unchecked")
        return [rows(TESTS, [{"problem_id": name, "test_id": f"{prefix}0000"} for name in names])]

    return lookup


@pytest.mark.parametrize(
    ("policy", "taken"),
    [
        (TestsPolicy.SOURCE, ["checked 0000", "unchecked 0000"]),
        (TestsPolicy.ALL, ["checked 0000", "unchecked 0000", "checked g0000", "unchecked g0000"]),
        (TestsPolicy.TRUSTED, ["checked 0000", "checked g0000", "unchecked g0000"]),
    ],
)
def test_a_policy_takes_its_tests(policy: TestsPolicy, taken: list[str]) -> None:
    """Those of the source come first; trusted ones are those that right programs confirm."""
    lookup = chosen_tests(policy, given(""), given("g"), TRUST)
    found = [row for batch in lookup(["checked", "unchecked"]) for row in batch.to_pylist()]
    assert [f"{row['problem_id']} {row['test_id']}" for row in found] == taken


def test_a_generated_test_of_a_taken_id_is_refused() -> None:
    """Two results of one name would be mixed up."""
    lookup = chosen_tests(TestsPolicy.ALL, given(""), given(""), TRUST)
    with pytest.raises(InputError, match="has test `0000` twice; give its generated tests ids of their own"):
        list(lookup(["checked", "unchecked"]))


@pytest.mark.parametrize(
    ("policy", "rates"),
    [
        (TestsPolicy.SOURCE, {"checked": 0.1, "unchecked": 0.1, "plain": 0.1}),
        (TestsPolicy.ALL, {"checked": 0.3, "unchecked": 0.3, "plain": 0.1}),
        (TestsPolicy.TRUSTED, {"checked": 0.3, "unchecked": 0.2}),
    ],
)
def test_a_verdict_carries_the_quality_of_the_tests_it_was_made_by(
    policy: TestsPolicy, rates: dict[str, float]
) -> None:
    """Where nothing was generated, those of the source are all."""
    by_policy = {"source": 0.1, "generated": 0.2, "all": 0.3}
    measured = [
        {"problem_id": name, "policy": policy, "tnr": tnr}
        for name in ("checked", "unchecked")
        for policy, tnr in by_policy.items()
    ]
    measured.append({"problem_id": "plain", "policy": "source", "tnr": 0.1})
    found = quality_of(policy, [rows(TEST_QUALITY, measured)], TRUST)
    assert {name: one["tnr"] for name, one in found.items()} == rates
