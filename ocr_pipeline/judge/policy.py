"""Which tests samples are judged by, and how good those tests are.

A policy chooses among tests that are there; it makes none and measures none. Tests that ``test_trust`` flags are in no policy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.errors import InputError
from ocr_pipeline.judge.verdicts import TrustFlag
from ocr_pipeline.options import Options, option
from ocr_pipeline.store import rows_of

__all__ = ["Quality", "TestsOptions", "TestsPolicy", "chosen_tests", "quality_of"]

TestLookup = Callable[[Collection[str]], Iterable[pa.RecordBatch]]
CHECKED: Final = frozenset({TrustFlag.TRUSTED.value, TrustFlag.TESTS_FLAGGED.value})
GRADED: Final = ("tpr", "tnr", "band")
SOURCE, GENERATED, ALL = "source", "generated", "all"  # policies of test_quality

Quality = Mapping[str, Mapping[str, Any]]
"""By problem: the rates of the tests that it is judged by."""


class TestsPolicy(StrEnum):
    """Which tests."""

    __test__ = False  # not a test class, whatever its name says to pytest

    SOURCE = "source"
    """Those of the source."""
    ALL = "all"
    """Those of the source, and generated ones."""
    TRUSTED = "trusted"
    """Only tests that right programs confirm: generated ones, and those of sources whose problem test_trust has checked."""


class TestsOptions(Options):
    """Which tests samples are judged by."""

    __test__ = False

    tests_policy: TestsPolicy = option(
        TestsPolicy.SOURCE,
        "Which tests: source, all (generated ones too), or trusted (only tests that right programs confirm)",
    )


def chosen_tests(
    policy: TestsPolicy, tests: TestLookup, generated: TestLookup, trust: Iterable[Mapping[str, Any]]
) -> TestLookup:
    """Return what gives the tests of a policy; those of the source come first.

    What it returns raises :class:`InputError` where a problem has a generated test of the same id as one of the source.
    """
    if policy is TestsPolicy.SOURCE:
        return tests
    checked = {row["problem_id"] for row in trust if row["test_id"] is None and row["flag"] in CHECKED}

    def lookup(problem_ids: Collection[str]) -> Iterator[pa.RecordBatch]:
        names: set[tuple[str, str]] = set()
        for batch in tests(problem_ids):
            names.update(_names(batch))
            if policy is TestsPolicy.ALL:
                yield batch
            else:
                yield batch.filter(pc.is_in(batch.column("problem_id"), pa.array(sorted(checked), pa.string())))
        for batch in generated(problem_ids):
            for problem_id, test_id in names.intersection(_names(batch)):
                message = (
                    f"problem `{problem_id}` has test `{test_id}` twice; give its generated tests ids of their own"
                )
                raise InputError(message)
            yield batch

    return lookup


def _names(batch: pa.RecordBatch) -> Iterator[tuple[str, str]]:
    yield from zip(batch.column("problem_id").to_pylist(), batch.column("test_id").to_pylist(), strict=True)


def quality_of(
    policy: TestsPolicy, measured: Iterable[pa.RecordBatch], trust: Iterable[Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Return how good the tests of a policy are, by problem; where none were generated, those of the source are all."""
    checked = {row["problem_id"] for row in trust if row["test_id"] is None and row["flag"] in CHECKED}
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows_of(measured, ["problem_id", "policy", *GRADED]):
        found.setdefault(row["problem_id"], {})[row["policy"]] = {name: row[name] for name in GRADED}
    wanted: dict[str, Mapping[str, Any]] = {}
    for problem_id, rows in found.items():
        whole = ALL if ALL in rows else SOURCE
        name = SOURCE if policy is TestsPolicy.SOURCE else whole
        if policy is TestsPolicy.TRUSTED and problem_id not in checked:
            name = GENERATED
        if name in rows:
            wanted[problem_id] = rows[name]
    return wanted
