"""``plan_sft_dataset``: code rows and plan rows for a student that learns both tasks.

The joint loss (1-λ)·code + λ·plan is laid into the rows in one of two ways: as the share of plan rows, for packed
training, where rows of a pack share one mean; or as weights, for training that keeps rows apart. How the loss is
computed from the rows is the student's business.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final

import pyarrow as pa

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.options import Options, option
from ocr_pipeline.plans.choose import Solution, choose_solutions
from ocr_pipeline.plans.verdicts import PlanVerdict
from ocr_pipeline.store import TableWriter, rows_of
from ocr_pipeline.tables import PLAN_SFT_DATASET, Language
from ocr_pipeline.tasks import CODEPLAN, given_code

__all__ = ["Balance", "Drawing", "MultitaskConfig", "build_multitask"]

BATCH_ROWS: Final = 512


class Drawing(StrEnum):
    """Which plan comes beside a code row."""

    PAIRED = "paired"
    """A plan of the same problem, of the same solution where there is one."""
    UNPAIRED = "unpaired"
    """Any plan, drawn with replacement: what CodePLAN's released data reader does."""


class Balance(StrEnum):
    """How λ is laid into the rows."""

    ROWS = "rows"
    """λ of the rows are plan rows, every weight is 1: for packed training."""
    WEIGHTS = "weights"
    """One plan row per code row; weights give the plan rows λ of the sum, and are 1 on average."""


class MultitaskConfig(Options):
    """How code rows and plan rows are mixed."""

    plan_share: float = option(
        0.5, "λ of the joint loss: 0 trains code alone, 1 plans alone", ge=0, le=1, also="lambda"
    )
    drawing: Drawing = option(Drawing.PAIRED, "Which plan comes beside a code row")
    balance: Balance = option(Balance.ROWS, "Whether λ is a share of rows or of their weights")
    guided: bool = option(
        False, "Add code rows whose prompt holds the plan; the paper asks so at inference but never trains it"
    )
    language: Language = option(Language.PYTHON, "Programming language of the solutions")
    solutions_per_problem: int = option(
        4, "Most code rows per problem: the shortest solution, then those that differ most", ge=1
    )
    seed: int = option(0, "Seed of the drawing")


@dataclass(frozen=True, slots=True)
class _Problem:
    problem_id: str
    statement: str
    starter_code: str | None
    io_mode: str


@dataclass(frozen=True, slots=True)
class _Plan:
    plan_id: str
    problem_id: str
    solution_id: str | None
    text: str


@dataclass(frozen=True, slots=True)
class _Row:
    row_id: str
    problem: _Problem
    solution: Solution | None
    plan: _Plan | None
    weight: float = 1.0

    def record(self, language: Language) -> dict[str, object]:
        if self.solution is None and self.plan is not None:
            task, completion = "plan", self.plan.text
            prompt = CODEPLAN.plan(
                self.problem.statement, io_mode=self.problem.io_mode, starter_code=self.problem.starter_code
            )
        else:
            task, completion = "code", self.solution.code if self.solution else ""
            prompt = CODEPLAN.code(
                self.problem.statement,
                io_mode=self.problem.io_mode,
                starter_code=self.problem.starter_code,
                language=language,
                plan=self.plan.text if self.plan else None,
            )
        return {
            "id": self.row_id,
            "task": task,
            "prompt": prompt,
            "completion": completion,
            "language": None if task == "plan" else language.value,
            "prompt_sha256": CODEPLAN.sha256,
            "problem_id": self.problem.problem_id,
            "weight": self.weight,
        }


def build_multitask(
    problems: Iterable[pa.RecordBatch],
    solutions: Iterable[pa.RecordBatch],
    plans: Iterable[pa.RecordBatch],
    *,
    config: MultitaskConfig,
    writer: TableWriter,
    dataset: str | None = None,
) -> StageCounts:
    """Write the training rows of one partition, in a seeded order that does not depend on the order of the input.

    Holds one partition's statements, kept plans and chosen solutions in memory. With ``dataset``, only the problems
    of that data set make rows.

    Returns
    -------
    StageCounts
        Of the problems: kept, or dropped because no row could be made; the notes count the rows.
    """
    told = {problem.problem_id: problem for problem in _problems(problems, dataset)}
    chosen = choose_solutions(
        solutions, language=config.language, count=config.solutions_per_problem, problem_ids=frozenset(told)
    )
    kept_plans = sorted(_kept_plans(plans, told), key=lambda plan: plan.plan_id)
    code_rows = _code_rows(told, chosen, kept_plans, config)
    plan_rows = _plan_rows(told, code_rows, kept_plans, config)
    rows = _weighted(code_rows, plan_rows, config)
    _write(sorted(rows, key=lambda row: _draw(config.seed, row.row_id)), config.language, writer)
    return _counts(told, rows, kept_plans)


def _problems(batches: Iterable[pa.RecordBatch], dataset: str | None) -> Iterator[_Problem]:
    wanted = ["problem_id", "dataset", "statement", "starter_code", "io_mode", "function_name"]
    for row in rows_of(batches, wanted):
        if dataset is None or row["dataset"] == dataset:
            given = given_code(row["statement"], row["starter_code"], row["function_name"])
            yield _Problem(row["problem_id"], row["statement"], given, row["io_mode"])


def _kept_plans(batches: Iterable[pa.RecordBatch], told: Mapping[str, _Problem]) -> Iterator[_Plan]:
    for row in rows_of(batches, ["plan_id", "problem_id", "solution_id", "plan", "verdict"]):
        if row["verdict"] == PlanVerdict.KEPT and row["problem_id"] in told:
            yield _Plan(row["plan_id"], row["problem_id"], row["solution_id"], row["plan"])


def _code_rows(
    told: Mapping[str, _Problem],
    chosen: Mapping[str, Sequence[Solution]],
    plans: Sequence[_Plan],
    config: MultitaskConfig,
) -> list[_Row]:
    by_solution = {(plan.problem_id, plan.solution_id): plan for plan in reversed(plans)}
    rows = []
    for problem_id, solutions in sorted(chosen.items()):
        for solution in solutions:
            name = f"{problem_id}/code/{solution.solution_id}"
            rows.append(_Row(name, told[problem_id], solution, None))
            plan = by_solution.get((problem_id, solution.solution_id))
            if config.guided and plan is not None:
                rows.append(_Row(f"{problem_id}/guided/{solution.solution_id}", told[problem_id], solution, plan))
    return rows


def _plan_rows(
    told: Mapping[str, _Problem], code_rows: Sequence[_Row], plans: Sequence[_Plan], config: MultitaskConfig
) -> list[_Row]:
    if not plans or config.plan_share == 0:
        return []
    wanted = _wanted(len(code_rows), len(plans), config)
    drawn = _paired(code_rows, plans, wanted) if config.drawing is Drawing.PAIRED else _unpaired(plans, wanted, config)
    seen: Counter[str] = Counter()
    rows = []
    for plan in drawn:
        rows.append(_Row(f"{plan.plan_id}/draw/{seen[plan.plan_id]}", told[plan.problem_id], None, plan))
        seen[plan.plan_id] += 1
    return rows


def _wanted(n_code: int, n_plans: int, config: MultitaskConfig) -> int:
    if config.plan_share == 1:
        return n_plans
    if config.balance is Balance.WEIGHTS:
        return n_code
    return round(config.plan_share / (1 - config.plan_share) * n_code)


def _paired(code_rows: Sequence[_Row], plans: Sequence[_Plan], wanted: int) -> Iterator[_Plan]:
    """Give each code row a plan of its problem, again and again until there are enough; problems take turns."""
    by_problem: dict[str, list[_Plan]] = {}
    for plan in plans:
        by_problem.setdefault(plan.problem_id, []).append(plan)
    paired = [
        _best_match(row, by_problem[row.problem.problem_id])
        for row in code_rows
        if row.problem.problem_id in by_problem
    ] or list(plans)
    return (paired[index % len(paired)] for index in range(wanted))


def _best_match(row: _Row, plans: Sequence[_Plan]) -> _Plan:
    own = row.solution.solution_id if row.solution else None
    return next((plan for plan in plans if plan.solution_id == own), plans[0])


def _unpaired(plans: Sequence[_Plan], wanted: int, config: MultitaskConfig) -> Iterator[_Plan]:
    return (plans[_draw(config.seed, f"plan {index}") % len(plans)] for index in range(wanted))


def _draw(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "big")


def _weighted(code_rows: Sequence[_Row], plan_rows: Sequence[_Row], config: MultitaskConfig) -> list[_Row]:
    if config.plan_share == 1:
        return list(plan_rows)
    if config.balance is Balance.ROWS or not plan_rows:
        return [*code_rows, *plan_rows]
    total = len(code_rows) + len(plan_rows)
    code_weight = (1 - config.plan_share) * total / len(code_rows)
    plan_weight = config.plan_share * total / len(plan_rows)
    return [
        *(_Row(row.row_id, row.problem, row.solution, row.plan, code_weight) for row in code_rows),
        *(_Row(row.row_id, row.problem, row.solution, row.plan, plan_weight) for row in plan_rows),
    ]


def _write(rows: Sequence[_Row], language: Language, writer: TableWriter) -> None:
    waiting = iter(rows)
    while batch := list(islice(waiting, BATCH_ROWS)):
        writer.write(pa.Table.from_pylist([row.record(language) for row in batch], schema=PLAN_SFT_DATASET.schema))


def _counts(told: Mapping[str, _Problem], rows: Sequence[_Row], plans: Sequence[_Plan]) -> StageCounts:
    used = {row.problem.problem_id for row in rows}
    with_plan = {plan.problem_id for plan in plans}
    n_plan = sum(row.solution is None for row in rows)
    unused = len(told) - len(used)
    return StageCounts(
        rows_in=len(told),
        kept=len(used),
        dropped={"no_row": unused} if unused else {},
        notes={
            "code_rows": len(rows) - n_plan,
            "plan_rows": n_plan,
            "problems_without_plan": len(told.keys() - with_plan),
        },
    ).require_conserved("plan_sft_dataset")
