"""Multi-task rows: λ is kept as a share of rows or as weights, in the paper's prompts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.errors import InputError
from ocr_pipeline.plans import Balance, Drawing, MultitaskConfig, build_multitask
from ocr_pipeline.store import conform
from ocr_pipeline.tables import PLAN_SFT_DATASET, PLANS, SOLUTIONS
from ocr_pipeline.tasks import CODEPLAN


class Rows:
    """A writer that keeps the rows."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Keep them."""
        self.tables.append(conform(rows, PLAN_SFT_DATASET))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Everything that was written."""
        return [row for table in self.tables for row in table.to_pylist()]


def problems(count: int) -> list[pa.RecordBatch]:
    """Build problems; the last one is a function problem."""
    rows = [
        {
            "problem_id": f"p{index}",
            "dataset": "taco",
            "statement": f"Statement {index} with {{braces}}.",
            "starter_code": "def f():" if index == count - 1 else None,
            "io_mode": "function" if index == count - 1 else "stdin",
            "function_name": "f" if index == count - 1 else None,
        }
        for index in range(count)
    ]
    return pa.Table.from_pylist(rows).to_batches()


def solutions(count: int) -> list[pa.RecordBatch]:
    """Build two distinct solutions per problem."""
    rows = [
        {
            "problem_id": f"p{index}",
            "solution_id": str(number),
            "language": "python",
            "code": f"print({index}){'#' * number}",
            "is_correct": True,
        }
        for index in range(count)
        for number in range(2)
    ]
    return conform(pa.Table.from_pylist(rows), SOLUTIONS).to_batches()


def plans(count: int, verdict: str = "kept") -> list[pa.RecordBatch]:
    """Build one plan per problem, of its second solution."""
    rows = [
        {
            "plan_id": f"p{index}/plan",
            "problem_id": f"p{index}",
            "solution_id": "1",
            "plan": f"1. Print {index}.",
            "steps": [f"Print {index}."],
            "model": "teacher",
            "request_id": "r",
            "verdict": verdict,
            "reasons": [],
        }
        for index in range(count)
    ]
    return conform(pa.Table.from_pylist(rows), PLANS).to_batches()


def build(config: MultitaskConfig, *, count: int = 4, planned: int = 4, verdict: str = "kept") -> list[dict[str, Any]]:
    """Build rows."""
    writer = Rows()
    build_multitask(problems(count), solutions(count), plans(planned, verdict), config=config, writer=writer)
    return writer.rows


def tasks(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Count rows per task."""
    return {task: sum(row["task"] == task for row in rows) for task in ("code", "plan")}


@given(st.floats(0, 0.9))
def test_the_share_of_plan_rows_is_lambda(share: float) -> None:
    """With balance by rows, λ of the rows are plans, as near as whole rows allow, and all weights are 1."""
    rows = build(MultitaskConfig(plan_share=share))
    assert tasks(rows)["plan"] == round(share / (1 - share) * 8)
    assert {row["weight"] for row in rows} == {1.0}


@given(st.floats(0.01, 0.99))
def test_the_weights_give_plans_lambda_of_the_sum(share: float) -> None:
    """With balance by weights, plan rows hold λ of the summed weights, and weights are 1 on average."""
    rows = build(MultitaskConfig(plan_share=share, balance=Balance.WEIGHTS))
    total = sum(row["weight"] for row in rows)
    assert total == pytest.approx(len(rows))
    assert sum(row["weight"] for row in rows if row["task"] == "plan") == pytest.approx(share * total)


@pytest.mark.parametrize(("share", "only"), [(0.0, "code"), (1.0, "plan")])
def test_the_ends_of_lambda_are_single_tasks(share: float, only: str) -> None:
    """λ = 0 gives code rows alone, λ = 1 plan rows alone."""
    assert {row["task"] for row in build(MultitaskConfig(plan_share=share))} == {only}


def test_paired_rows_share_their_problem() -> None:
    """Paired drawing: each code row of a problem has a plan row of the same problem."""
    rows = build(MultitaskConfig())
    assert sorted(row["problem_id"] for row in rows if row["task"] == "plan") == sorted(
        row["problem_id"] for row in rows if row["task"] == "code"
    )


def test_unpaired_rows_are_drawn_from_all_plans() -> None:
    """Unpaired drawing may take any plan, also where a problem has none."""
    rows = build(MultitaskConfig(drawing=Drawing.UNPAIRED), planned=2)
    assert tasks(rows) == {"code": 8, "plan": 8}
    assert {row["problem_id"] for row in rows if row["task"] == "plan"} == {"p0", "p1"}


def test_prompts_have_the_form_of_the_paper() -> None:
    """Code and plan prompts carry their task mark, the format line, the starter code and, for code, the language."""
    rows = {(row["task"], row["problem_id"]): row for row in build(MultitaskConfig(solutions_per_problem=1))}
    code, plan, function = rows["code", "p0"], rows["plan", "p0"], rows["code", "p3"]
    assert code["prompt"].startswith("[GEN_CODE]\nQUESTION:\nStatement 0 with {braces}.\n")
    assert code["prompt"].endswith("Use Standard Input format\nWrite the program in Python.\nANSWER:\n")
    assert plan["prompt"].startswith("[GEN_PLAN]\n")
    assert plan["prompt"].endswith("Let's think step by step:\n")
    assert "def f():\nUse Call-Based format" in function["prompt"]
    assert (code["completion"], plan["completion"]) == ("print(0)", "1. Print 0.")
    assert (code["language"], plan["language"]) == ("python", None)
    assert code["prompt_sha256"] == plan["prompt_sha256"] == CODEPLAN.sha256


def test_guided_rows_show_the_plan_of_their_solution() -> None:
    """Guided rows ask as plan sampling does, and only where the plan was read from that very solution."""
    rows = [row for row in build(MultitaskConfig(guided=True)) if "/guided/" in row["id"]]
    assert [row["id"] for row in sorted(rows, key=lambda row: str(row["id"]))] == [
        f"p{index}/guided/1" for index in range(4)
    ]
    assert all(
        row["prompt"].endswith(f"Let's think step by step:\n1. Print {row['problem_id'][1:]}.\nANSWER:\n")
        for row in rows
    )


def test_dropped_plans_are_not_trained() -> None:
    """Only plans with the verdict kept become rows."""
    assert tasks(build(MultitaskConfig(), verdict="disagrees")) == {"code": 8, "plan": 0}


def test_problems_without_rows_are_counted() -> None:
    """A problem without a correct solution makes no row, and the account says so."""
    writer = Rows()
    counts = build_multitask(problems(3), solutions(2), plans(2), config=MultitaskConfig(), writer=writer)
    assert (counts.rows_in, counts.kept, dict(counts.dropped)) == (3, 2, {"no_row": 1})
    assert counts.notes["problems_without_plan"] == 1


def test_the_seed_decides_the_order_and_nothing_else_does() -> None:
    """Rows come shuffled by the seed, the same for the same seed; ids are unique."""
    config = MultitaskConfig()
    first = [row["id"] for row in build(config)]
    assert first == [row["id"] for row in build(config)]
    assert first != [row["id"] for row in build(config.replaced(seed=1))]
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("change", [{"plan_share": -0.1}, {"plan_share": 1.1}, {"solutions_per_problem": 0}])
def test_an_impossible_lambda_is_refused(change: dict[str, float]) -> None:
    """λ is a share."""
    with pytest.raises(InputError):
        MultitaskConfig().replaced(**change)  # type: ignore[arg-type]
