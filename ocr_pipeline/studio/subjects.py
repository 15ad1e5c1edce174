"""Programs and tests that a person should look at: wrong programs that pass every test, and tests that right programs fail."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow.compute as pc

from ocr_pipeline.store import Store, rows_of
from ocr_pipeline.studio.decisions import SubjectKind
from ocr_pipeline.tables import GENERATED_TESTS, SOLUTIONS, TEST_QUALITY, TEST_TRUST, TESTS, Table

__all__ = ["Subject", "row_of", "survivors", "untrusted_tests"]

POLICIES: Final = ("all", "source", "generated")
"""The widest first: a program survives when the most tests there are let it pass."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A program or a test of a problem."""

    pair_key: str
    """Hash of what is asked about; it has the name that keys of pairs have in the table."""
    kind: SubjectKind
    left_id: str
    """The problem."""
    right_id: str
    """The program or the test."""
    detail: str


def survivors(store: Store) -> list[Subject]:
    """Return the programs that their source calls wrong and no test refuses, each once."""
    widest: dict[str, dict[str, Any]] = {}
    for row in _rows(store, TEST_QUALITY, ("problem_id", "policy", "tests", "missed_wrong", "wrong_run")):
        known = widest.get(row["problem_id"])
        if known is None or POLICIES.index(row["policy"]) < POLICIES.index(known["policy"]):
            widest[row["problem_id"]] = row
    return [
        _subject(
            SubjectKind.SURVIVOR,
            row["problem_id"],
            program,
            f"passes all {row['tests']} tests ({row['policy']}), "
            f"as do {len(row['missed_wrong'])} of {row['wrong_run']} programs that the source calls wrong",
        )
        for row in widest.values()
        for program in row["missed_wrong"] or ()
    ]


def untrusted_tests(store: Store) -> list[Subject]:
    """Return the tests that correct reference solutions fail."""
    return [
        _subject(
            SubjectKind.TEST,
            row["problem_id"],
            row["test_id"],
            f"{row['n_passed']} of {row['n_solutions_run']} reference solutions pass · {row['detail'] or ''}",
        )
        for row in _rows(store, TEST_TRUST, ("problem_id", "test_id", "n_passed", "n_solutions_run", "detail"))
        if row["test_id"] is not None
    ]


def _subject(kind: SubjectKind, problem_id: str, name: str, detail: str) -> Subject:
    key = hashlib.sha256(f"{kind}\0{problem_id}\0{name}".encode()).hexdigest()
    return Subject(key, kind, problem_id, name, detail)


def _rows(store: Store, table: Table, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for keys in store.partitions(table):
        yield from rows_of(store.batches(table, columns, **keys))


def row_of(store: Store, subject: Subject) -> dict[str, Any] | None:
    """Return the row of the program or of the test itself."""
    is_test = subject.kind is SubjectKind.TEST
    name = "test_id" if is_test else "solution_id"
    wanted = (pc.field("problem_id") == subject.left_id) & (pc.field(name) == subject.right_id)
    dataset = subject.left_id.partition("/")[0]
    for table in (TESTS, GENERATED_TESTS) if is_test else (SOLUTIONS,):
        if {"dataset": dataset} in store.partitions(table):
            found: list[dict[str, Any]] = store.open(table, dataset=dataset).to_table(filter=wanted).to_pylist()
            if found:
                return found[0]
    return None
