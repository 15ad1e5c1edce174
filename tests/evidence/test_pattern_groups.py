"""Passing beside failing samples: shares, entropy, and a test that knows of problems."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.errors import InputError
from ocr_pipeline.evidence.pattern_groups import GroupConfig, LabelledBy, compare_patterns
from ocr_pipeline.tables import PATTERN_LABELS, REASONING_PATTERNS

Case = tuple[str, bool, int, int]
"""Problem, whether it passes, sentences that evaluate, sentences that verify."""


def tables(cases: list[Case]) -> tuple[pa.Table, pa.Table]:
    """Build both tables."""
    patterns, executions = [], []
    for index, (problem, passes, evaluating, verifying) in enumerate(cases):
        total = evaluating + verifying
        shares = [count / total for count in (evaluating, verifying) if count]
        bits = -sum(share * math.log2(share) for share in shares) if total else None
        counts = {"self_evaluation": evaluating, "verification": verifying}
        row: dict[str, Any] = {"sample_id": str(index), "counts": list(counts.items()), "n_segments": total}
        patterns.append(
            row | {"entropy_bits": bits, "entropy_normalized": None if bits is None else bits / math.log2(7)}
        )
        verdict = "accepted" if passes else "wrong_answer"
        executions.append(
            {"sample_id": str(index), "problem_id": problem, "verdict": verdict, "needs_checker": problem == "open"}
        )
    found = pa.Table.from_pylist(executions)
    return pa.Table.from_pylist(patterns, schema=REASONING_PATTERNS.schema), found


def compared(cases: list[Case], **options: Any) -> dict[str, dict[str, Any]]:
    """Return the rows by measure."""
    patterns, executions = tables(cases)
    found = compare_patterns(patterns.to_batches(), executions.to_batches(), **options)
    return {row["measure"]: row for row in found.to_pylist()}


MIXED: list[Case] = [("p", True, 3, 1), ("p", True, 2, 2), ("p", False, 1, 3), ("p", False, 0, 4), ("q", True, 4, 0)]


def labels(sentences: list[tuple[str, str, str]]) -> list[pa.RecordBatch]:
    """Build labels on which both labellings agree: sample, the rule's move, the model's."""
    rows = [
        {"sample_id": sample, "segment": number, "sentence": "", "rule": rule, "verdict": "kept"}
        | {"first": move, "second": move}
        for number, (sample, rule, move) in enumerate(sentences)
    ]
    batches: list[pa.RecordBatch] = pa.Table.from_pylist(rows, schema=PATTERN_LABELS.schema).to_batches()
    return batches


def test_only_precise_rules_are_compared() -> None:
    """A rule that is right in four of five sentences takes part, one of three in four does not; shares are of the rest."""
    right, wrong = "self_evaluation", "verification"
    said = [("0", right, right)] * 4 + [("0", right, wrong)] + [("0", wrong, wrong)] * 3 + [("0", wrong, right)]
    rows = compared(MIXED, labels=labels(said))
    assert [name for name in rows if name in {right, wrong}] == [right]
    assert rows[right]["passing"] == rows[right]["failing"] == 1.0
    assert (rows["n_segments"]["n_failing"], rows[right]["labelled_by"]) == (1, "rules")
    with pytest.raises(InputError, match=r"no rule finds its move with a precision of 0\.9"):
        compared(MIXED, labels=labels(said), config=GroupConfig(least_precision=0.9))


def test_labels_of_a_model_are_compared() -> None:
    """They count in the place of the rules, simpler problems too; sentences without an agreed label do not."""
    said = [("0", "other", "simpler_problem")] * 3 + [("0", "other", "verification"), ("2", "other", "verification")]
    batches = labels(said)
    rows = compared(MIXED, labels=batches, config=GroupConfig(by=LabelledBy.MODEL))
    assert rows["simpler_problem"]["passing"] == 0.75
    assert (rows["simpler_problem"]["failing"], rows["verification"]["failing"]) == (0.0, 1.0)
    assert (rows["n_segments"]["passing"], rows["n_segments"]["labelled_by"]) == (4.0, "model")


def test_shares_and_units() -> None:
    """Means are over samples; nats are bits times ln 2."""
    rows = compared(MIXED)
    assert rows["self_evaluation"]["passing"] == pytest.approx((0.75 + 0.5 + 1.0) / 3)
    assert rows["self_evaluation"]["failing"] == pytest.approx(0.125)
    assert rows["entropy_nats"]["passing"] == pytest.approx(rows["entropy_bits"]["passing"] * math.log(2))
    found = rows["self_evaluation"]
    assert (found["n_passing"], found["n_failing"], found["n_problems"], found["n_mixed_problems"]) == (3, 2, 2, 1)


def test_the_test_is_that_of_all_exchanges_inside_problems() -> None:
    """With one mixed problem of four samples, p is the share of the six exchanges that differ as much."""
    values = [0.75, 0.5, 0.25, 0.0]
    gaps = [
        abs(sum(values[i] for i in some) / 2 - sum(values[i] for i in range(4) if i not in some) / 2)
        for some in combinations(range(4), 2)
    ]
    exact = sum(gap >= 0.5 - 1e-12 for gap in gaps) / len(gaps)
    assert compared(MIXED, permutations=20_000)["self_evaluation"]["p_value"] == pytest.approx(exact, abs=0.02)


def test_easy_problems_alone_give_no_p_value() -> None:
    """Where no problem has both verdicts, a difference may be that of the problems, and no test is made."""
    rows = compared([("easy", True, 3, 1), ("hard", False, 1, 3)])
    assert rows["self_evaluation"]["difference"] == pytest.approx(0.5)
    assert rows["self_evaluation"]["p_value"] is None


def test_the_error_has_the_problem_as_its_unit() -> None:
    """A sample that is there ten times in its problem makes nothing surer."""
    once = compared([("p", True, 3, 1), ("q", True, 1, 3), ("r", False, 2, 2), ("s", False, 0, 4)])
    often = compared([("p", True, 3, 1), ("q", True, 1, 3), ("r", False, 2, 2), ("s", False, 0, 4)] * 10)
    for measure, row in once.items():
        assert often[measure]["standard_error"] == pytest.approx(row["standard_error"])


def test_one_group_alone_is_refused() -> None:
    """The message counts both."""
    with pytest.raises(InputError, match="1 passing and 0 failing samples"):
        compared([("p", True, 1, 1), ("p", False, 0, 0)])


def test_a_failure_for_want_of_a_checker_is_in_neither_group() -> None:
    """Where several outputs are right and nothing checks them, a pass is a pass and a failure says nothing."""
    found = compared([*MIXED, ("open", False, 4, 0), ("open", True, 4, 0)])["self_evaluation"]
    assert (found["n_passing"], found["n_failing"], found["n_mixed_problems"]) == (4, 2, 1)
    assert found["failing"] == compared(MIXED)["self_evaluation"]["failing"]


def test_the_command_writes_table_and_plot(tmp_path: Path) -> None:
    """From the files of both steps."""
    patterns, executions = tables(MIXED)
    pq.write_table(patterns, tmp_path / "patterns.parquet")
    pq.write_table(executions, tmp_path / "executions.parquet")
    arguments = [
        "compare-patterns",
        str(tmp_path / "patterns.parquet"),
        "--executions",
        str(tmp_path / "executions.parquet"),
    ]
    done = CliRunner().invoke(build_app(["compare-patterns", "funnel"]), [*arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "entropy_nats" in done.output
    assert (tmp_path / "out" / "pattern_groups.png").read_bytes().startswith(b"\x89PNG")
    assert pq.read_table(tmp_path / "out" / "pattern_groups.parquet").num_rows == 7 + 4
