"""Asks the teacher for solution plans and writes one row per wanted plan, whatever came of it.

Which solutions are shown is decided in ``choose``, what makes a plan good in ``verdicts`` and ``agreement``. Sending,
paying once and keeping answers is the teacher's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa

from ocr_pipeline.answers import split_thought
from ocr_pipeline.asking import Asking
from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts, count_verdicts
from ocr_pipeline.plans.agreement import agreement
from ocr_pipeline.plans.choose import Solution, choose_solutions
from ocr_pipeline.plans.config import PlanConfig, Policy, load_prompt
from ocr_pipeline.plans.verdicts import PlanVerdict, plan_defects, read_plan
from ocr_pipeline.store import TableWriter, rows_of
from ocr_pipeline.tables import PLANS
from ocr_pipeline.teacher.ask import Ask, Reply
from ocr_pipeline.teacher.ask import ask as ask_teacher
from ocr_pipeline.teacher.request import Message, Request
from ocr_pipeline.teacher.servers import Server
from ocr_pipeline.teacher.session import Totals, paid_notes

__all__ = ["make_plans"]

BATCH_ROWS: Final = 512
OPINION: Final = re.compile(r"\b(DIS)?AGREES\b")
OPINION_MAX_TOKENS: Final = 2_048


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One plan that is wanted: of a solution, or (forward) of the statement alone."""

    problem_id: str
    solution: Solution | None
    sample_index: int = 0

    def plan_id(self, policy: Policy) -> str:
        return f"{self.problem_id}/{policy}/{self.solution.solution_id if self.solution else self.sample_index}"

    def is_askable(self, policy: Policy) -> bool:
        return self.solution is not None or policy is Policy.FORWARD


@dataclass(slots=True)
class _Drafted:
    """A row before the model that gives an opinion has spoken."""

    wanted: _Wanted
    plan: str | None = None
    steps: tuple[str, ...] = ()
    model: str = ""
    request_id: str = ""
    reasons: list[PlanVerdict] = field(default_factory=list)


def make_plans(  # noqa: PLR0913 - a step with a teacher needs all of it
    problems: Iterable[pa.RecordBatch],
    solutions: Iterable[pa.RecordBatch],
    *,
    config: PlanConfig,
    asking: Asking,
    server: Server,
    ledger: Path,
    writer: TableWriter,
    dataset: str | None = None,
    progress: Progress = SILENT,
    ask: Ask = ask_teacher,
) -> StageCounts:
    """Write ``plans`` for one partition, sorted by problem: every wanted plan has a row and a verdict.

    A problem without a correct solution in the language gets one row that says so. The statements, the chosen
    solutions and the plans of one partition are held in memory.

    Parameters
    ----------
    problems, solutions
        Rows of ``problems`` (or ``clean_problems``) and ``solutions``, in any order.
    ledger
        File of the paid answers, or a folder for it.
    dataset
        Plan only the problems of this data set; ``None``: all.

    Raises
    ------
    TeacherError, StoreError, BudgetError
        As the teacher's door raises them.
    """
    statements = _statements(problems, dataset)
    ledger = ledger / f"plans-{dataset or 'all'}.sqlite" if ledger.suffix == "" else ledger
    chosen = choose_solutions(
        solutions, language=config.language, count=_solutions_wanted(config), problem_ids=frozenset(statements)
    )
    wanted = [plan for problem_id in sorted(statements) for plan in _wanted(problem_id, chosen, config)]
    totals: list[Totals] = []
    replies = ask(
        (_request(plan, statements, config) for plan in wanted if plan.is_askable(config.policy)),
        server=server,
        ledger=ledger,
        config=asking,
        progress=progress,
        on_totals=totals.append,
    )
    drafts = [_draft(plan, next(replies) if plan.is_askable(config.policy) else None, config) for plan in wanted]
    next(replies, None)  # lets the ledger go
    without_opinion = (
        _ask_opinions(drafts, _of_opinions(asking, config.opinion_model), server, ledger, progress, ask)
        if config.opinion_model
        else 0
    )
    _write(drafts, config, writer)
    notes = (
        {"problems": len(statements)}
        | paid_notes(totals)
        | ({"no_opinion": without_opinion} if config.opinion_model else {})
    )
    return count_verdicts((_verdict(draft) for draft in drafts), notes=notes).require_conserved("plans")


def _statements(batches: Iterable[pa.RecordBatch], dataset: str | None) -> dict[str, str]:
    return {
        row["problem_id"]: row["statement"]
        for row in rows_of(batches, ["problem_id", "dataset", "statement"])
        if dataset is None or row["dataset"] == dataset
    }


def _solutions_wanted(config: PlanConfig) -> int:
    return config.k if config.policy is Policy.K_DIVERSE else 1


def _wanted(problem_id: str, chosen: Mapping[str, Sequence[Solution]], config: PlanConfig) -> Iterator[_Wanted]:
    if config.policy is Policy.FORWARD:
        yield from (_Wanted(problem_id, None, sample_index) for sample_index in range(config.k))
        return
    for solution in chosen.get(problem_id, (None,)):
        yield _Wanted(problem_id, solution)


def _request(wanted: _Wanted, statements: Mapping[str, str], config: PlanConfig) -> Request:
    code = wanted.solution.code if wanted.solution else ""
    text = config.prompt.fill(code=code, statement=statements[wanted.problem_id])
    params = {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "max_tokens": config.max_tokens,
        "seed": wanted.sample_index,
    }
    subject = {"problem_id": wanted.problem_id, "plan_id": wanted.plan_id(config.policy)}
    return Request((Message("user", text),), params, subject=subject)


def _of_opinions(asking: Asking, model: str) -> Asking:
    """Ask another model the same way; the revision is that of the model it was given for."""
    return asking if model == asking.model else asking.replaced(model=model, revision=None)


def _draft(wanted: _Wanted, reply: Reply | None, config: PlanConfig) -> _Drafted:
    if reply is None:
        return _Drafted(wanted, reasons=[PlanVerdict.NO_SOLUTION])
    draft = _Drafted(wanted, model=reply.model, request_id=reply.request_id)
    if reply.unusable is not None:
        draft.reasons.append(PlanVerdict(reply.unusable))
        return draft
    read = read_plan(reply.text)
    code = wanted.solution.code if wanted.solution else None
    draft.plan, draft.steps = (read.plan or None), read.steps
    draft.reasons += plan_defects(
        read,
        code=code,
        min_steps=config.min_steps,
        max_steps=config.max_steps,
        max_characters=config.max_characters,
    )
    if code is not None and read.steps and not agreement(read.plan, code).agrees:
        draft.reasons.append(PlanVerdict.DISAGREES)
    return draft


def _ask_opinions(
    drafts: Sequence[_Drafted], asking: Asking, server: Server, ledger: Path, progress: Progress, ask: Ask
) -> int:
    """Ask for an opinion on the plans that passed so far; return how many it gave no clear answer to."""
    open_drafts = [draft for draft in drafts if not draft.reasons and draft.wanted.solution is not None]
    replies = ask(
        (_opinion_request(draft) for draft in open_drafts),
        server=server,
        ledger=ledger,
        config=asking,
        progress=progress,
        on_totals=None,
    )
    unclear = 0
    for draft, reply in zip(open_drafts, replies, strict=True):
        agrees = _opinion(reply)
        unclear += agrees is None  # that model's failure, never the plan's
        if agrees is False:
            draft.reasons.append(PlanVerdict.JUDGED_DISAGREEING)
    return unclear


def _opinion_request(draft: _Drafted) -> Request:
    code = draft.wanted.solution.code if draft.wanted.solution else ""
    text = load_prompt("agreement").fill(code=code, plan=draft.plan or "")
    params = {"temperature": 0.0, "max_tokens": OPINION_MAX_TOKENS, "seed": 0}
    return Request((Message("user", text),), params, subject={"problem_id": draft.wanted.problem_id})


def _opinion(reply: Reply) -> bool | None:
    if reply.error is not None:
        return None
    found = {match[1] is None for match in OPINION.finditer((split_thought(reply.text).answer or "").upper())}
    return found.pop() if len(found) == 1 else None


def _verdict(draft: _Drafted) -> PlanVerdict:
    return draft.reasons[0] if draft.reasons else PlanVerdict.KEPT


def _write(drafts: Sequence[_Drafted], config: PlanConfig, writer: TableWriter) -> None:
    for start in range(0, len(drafts), BATCH_ROWS):
        rows = [_row(draft, config) for draft in drafts[start : start + BATCH_ROWS]]
        writer.write(pa.Table.from_pylist(rows, schema=PLANS.schema))


def _row(draft: _Drafted, config: PlanConfig) -> dict[str, object]:
    wanted = draft.wanted
    return {
        "plan_id": wanted.plan_id(config.policy),
        "problem_id": wanted.problem_id,
        "solution_id": wanted.solution.solution_id if wanted.solution else None,
        "plan": draft.plan,
        "steps": list(draft.steps),
        "model": draft.model,
        "request_id": draft.request_id,
        "verdict": _verdict(draft).value,
        "reasons": [reason.value for reason in draft.reasons],
    }
