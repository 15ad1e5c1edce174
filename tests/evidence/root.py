"""A small data root in which every kind of row occurs, written table by table as the steps would write it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.store import InputRef, Store
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    CONTAMINATION,
    DUPLICATE_PAIRS,
    EXECUTIONS,
    PLANS,
    PROBLEMS,
    REASONING_PATTERNS,
    REJECTED,
    RESPONSES,
    SAMPLES,
    SFT_DATASET,
    UNIQUE_PROBLEMS,
    Table,
)

SUM, SUM_AGAIN, SORT, LEAKED = "taco/train/1", "apps/train/7", "taco/train/2", "apps/train/8"
BENCHMARK_PROBLEM = "humaneval/test/0"
PYTHON = {"dataset": "taco", "language": "python"}
KEPT_SAMPLE, WRONG_SAMPLE, LOOPING_SAMPLE, UNANSWERED_SAMPLE = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
REASONING = "We need to find the sum. Let me check with 1 and 2. Wait, no, that's wrong."
TEXT = f"<think>{REASONING}</think>Answer:\n```python\nprint(sum(map(int, input().split())))\n```"
STATEMENTS = {
    SUM: "Read two numbers and print their sum.",
    SUM_AGAIN: "Given two numbers, print the sum of both.",
    SORT: "Read numbers and print them sorted.",
    LEAKED: "Return whether any two numbers are closer than the threshold.",
    BENCHMARK_PROBLEM: "Return true when two numbers of the list are closer than the threshold.",
}


def default_of(column: pa.Field) -> Any:
    """Return the emptiest value a required column may hold."""
    if pa.types.is_list(column.type) or pa.types.is_map(column.type):
        return []
    if pa.types.is_boolean(column.type):
        return False
    if pa.types.is_timestamp(column.type):
        return datetime(2026, 1, 1, tzinfo=UTC)
    return "" if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) else 0


def rows_of(table: Table, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Fill in the columns that a test does not name."""
    empty = {column.name: None if column.nullable else default_of(column) for column in table.schema}
    return pa.Table.from_pylist([empty | dict(row) for row in rows], schema=table.schema)


def put(  # noqa: PLR0913 - the parts of a partition
    store: Store,
    table: Table,
    rows: Iterable[Mapping[str, Any]],
    partition: Mapping[str, str] | None = None,
    *,
    dropped: Mapping[str, int] | None = None,
    rows_in: int | None = None,
    inputs: Iterable[InputRef] = (),
    config: Mapping[str, Any] | None = None,
    model: str | None = None,
) -> None:
    """Write one partition; its account balances unless ``rows_in`` says otherwise."""
    content = rows_of(table, rows)
    lost = sum((dropped or {}).values())
    with store.writer(
        table, partition, config=config or {}, code_version="1", inputs=list(inputs), model=model
    ) as writer:
        writer.write(content)
        received = content.num_rows + lost if rows_in is None else rows_in
        writer.counts = StageCounts(received, content.num_rows, dict(dropped or {}))


def problem(problem_id: str, **more: Any) -> dict[str, Any]:
    """Return a row of ``problems``."""
    dataset, split, native_id = problem_id.split("/")
    row = {"problem_id": problem_id, "dataset": dataset, "split": split, "native_id": native_id, "io_mode": "stdin"}
    return row | {"statement": STATEMENTS.get(problem_id, "A problem."), "license": "mit"} | more


def unique(problem_id: str, *members: str) -> dict[str, Any]:
    """Return a row of ``unique_problems`` that stands for itself and ``members``."""
    every = sorted([problem_id, *members])
    return problem(problem_id) | {"member_ids": every, "datasets": sorted({one.split("/")[0] for one in every})}


def sample(sample_id: str, verdict: str = "kept", problem_id: str = SUM, **more: Any) -> dict[str, Any]:
    """Return a row of ``samples`` whose reasoning is :data:`REASONING`."""
    span = {"start": len("<think>"), "end": len("<think>") + len(REASONING)}
    reasons = [] if verdict == "kept" else [verdict]
    row = {"sample_id": sample_id, "problem_id": problem_id, "language": "python", "verdict": verdict}
    return row | {"reasons": reasons, "reasoning_span": span, "code": "print()", "syntax": "ok"} | more


def build_root(root: Path) -> Store:
    """Write a whole data root in which every row can be found again."""
    store = Store(root)
    taco, apps, humaneval = ({"dataset": name} for name in ("taco", "apps", "humaneval"))
    put(store, PROBLEMS, [problem(SUM, repairs=["nested_list"]), problem(SORT)], taco, dropped={"no_statement": 1})
    put(store, PROBLEMS, [problem(SUM_AGAIN), problem(LEAKED)], apps)
    put(store, PROBLEMS, [problem(BENCHMARK_PROBLEM)], humaneval)
    bad = {"dataset": "taco", "split": "train", "native_id": "3", "reason": "no_statement", "detail": "statement: ''"}
    put(store, REJECTED, [bad | {"raw": '{"question": ""}'}], taco)
    put(store, REJECTED, [], apps)
    _decide(store)
    _answer(store)
    return store


def _decide(store: Store) -> None:
    """Write what deduplication and the contamination check found."""
    trained = [store.reference(PROBLEMS, dataset=name) for name in ("apps", "taco")]
    pair = {"left_id": SUM_AGAIN, "right_id": SUM, "cosine": 0.83, "lexical": 0.7, "pair_key": "key-sum"}
    near = {"left_id": SORT, "right_id": SUM, "cosine": 0.72, "lexical": 0.6, "pair_key": "key-sort"}
    pairs = [
        pair | {"decision": "duplicate", "decided_by": "threshold", "kept_id": SUM, "dropped_id": SUM_AGAIN},
        near | {"decision": "distinct", "decided_by": "rule", "rule": "asks_other_quantity"},
    ]
    put(store, DUPLICATE_PAIRS, pairs, inputs=trained)
    kept = [unique(LEAKED), unique(SUM, SUM_AGAIN), unique(SORT)]
    put(store, UNIQUE_PROBLEMS, kept, dropped={"duplicate": 1}, inputs=trained)
    leak = {"problem_id": LEAKED, "benchmark": "humaneval", "benchmark_version": "1", "benchmark_id": BENCHMARK_PROBLEM}
    evidence = {"cosine": 0.91, "lexical": 0.8, "span": "two numbers closer than the threshold", "pair_key": "key-leak"}
    found = [leak | evidence | {"decision": "contaminated", "decided_by": "rule"}]
    checked = [store.reference(UNIQUE_PROBLEMS), store.reference(PROBLEMS, dataset="humaneval")]
    put(store, CONTAMINATION, found, inputs=checked)
    put(store, CLEAN_PROBLEMS, [unique(SUM, SUM_AGAIN), unique(SORT)], dropped={"contaminated": 1})


def _answer(store: Store) -> None:
    """Write what the teacher answered for taco in Python, and what became of it."""
    answer = {"problem_id": SUM, "language": "python", "model": "teacher@1", "prompt_sha256": "e" * 64, "params": "{}"}
    texts = {KEPT_SAMPLE: TEXT, WRONG_SAMPLE: TEXT, LOOPING_SAMPLE: TEXT, UNANSWERED_SAMPLE: ""}
    responses = [
        answer | {"request_id": name, "sample_index": index, "text": text}
        for index, (name, text) in enumerate(texts.items())
    ]
    put(
        store,
        RESPONSES,
        responses,
        PYTHON,
        config={"temperature": 0.6, "prompts": {"solve_python": "f" * 64}},
        model="teacher@1",
    )
    samples = [
        sample(KEPT_SAMPLE),
        sample(WRONG_SAMPLE),
        sample(LOOPING_SAMPLE, "loop"),
        sample(UNANSWERED_SAMPLE, "no_think", problem_id=SORT, reasoning_span=None, code=None),
    ]
    put(store, SAMPLES, samples, PYTHON, rows_in=4)
    judged = {"problem_id": SUM, "language": "python", "tests_total": 4}
    executions = [
        judged | {"sample_id": KEPT_SAMPLE, "verdict": "accepted", "tests_passed": 4, "pass_rate": 1.0},
        judged
        | {"sample_id": WRONG_SAMPLE, "verdict": "wrong_answer", "tests_passed": 1, "pass_rate": 0.25}
        | {"first_failed_test": "0002"},
    ]
    put(store, EXECUTIONS, executions, PYTHON)
    patterns = [{"sample_id": name, "n_segments": 3} for name in (KEPT_SAMPLE, WRONG_SAMPLE, LOOPING_SAMPLE)]
    put(store, REASONING_PATTERNS, patterns, PYTHON, dropped={"no_reasoning": 1})
    released = {
        "id": "1",
        "input": "-",
        "license": "mit",
        "language": "python",
        "problem_id": SUM,
        "model": "teacher@1",
    }
    dropped = {"failed_tests": 1, "loop": 1, "no_think": 1}
    put(
        store,
        SFT_DATASET,
        [released | {"sample_id": KEPT_SAMPLE}],
        PYTHON,
        dropped=dropped,
        config={"execution": "passing"},
    )
    plan = {"plan_id": "p" * 64, "problem_id": SUM, "solution_id": "0000", "plan": "1. Add.", "verdict": "kept"}
    put(store, PLANS, [plan], {"dataset": "taco"}, config={"prompt_sha256": {"backward": "b" * 64}})
