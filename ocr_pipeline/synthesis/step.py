"""Makes new problems: asked for, compared with what is known, solved, tested, and kept or dropped for one reason.

The order is that of cost: likeness is asked before solutions are paid for, tests are made before anything is kept. Every
problem that is asked for has its row; what is not kept has no statement, so that whoever reads the table as a data set
gets nothing by mistake.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts, count_verdicts
from ocr_pipeline.engine import Engine
from ocr_pipeline.generating.by_model import AskTeacher
from ocr_pipeline.generating.options import GeneratingConfig
from ocr_pipeline.generating.outcomes import Fate, Left, Use
from ocr_pipeline.generating.step import RowSource, make_tests
from ocr_pipeline.judge import JudgeConfig, Verdict, judge
from ocr_pipeline.store import TableWriter
from ocr_pipeline.synthesis.drafting import Asked, Draft, Seed, code_of, draft_request, read_draft, solution_requests
from ocr_pipeline.synthesis.novelty import Known, too_like
from ocr_pipeline.synthesis.options import Style, SynthesisConfig
from ocr_pipeline.tables import (
    SYNTHETIC_PROBLEMS,
    SYNTHETIC_SOLUTIONS,
    SYNTHETIC_TESTS,
    Checker,
    IoMode,
    Language,
    TestKind,
)

__all__ = ["Reason", "Writers", "synthesize"]

DATASET: Final = "own"
SPLIT: Final = "train"
SPARE_SEEDS: Final = 4
"""Known problems that are looked at for each that is wanted: not all have a right solution."""
AGREEING: Final = 2
LANGUAGES: Final = frozenset(language.value for language in Language)
Row = dict[str, Any]


class Reason(StrEnum):
    """What became of a problem that was asked for."""

    KEPT = "kept"
    NO_SEED = "no_seed"
    """There are too few known problems with a right solution."""
    TEACHER_ERROR = "teacher_error"
    """The server failed, for the draft or for so many other answers that too little is there."""
    UNCLOSED_REASONING = "unclosed_reasoning"
    TRUNCATED = "truncated"
    """The draft was cut off."""
    NO_PROBLEM = "no_problem"
    """The answer holds no statement with examples."""
    DUPLICATE = "duplicate"
    UNDECIDED = "undecided"
    """So like another problem that nobody can say whether it is one."""
    CONTAMINATED = "contaminated"
    FEW_SOLUTIONS = "few_solutions"
    """Fewer than two solutions of different text pass the examples."""
    NO_INPUTS = "no_inputs"
    """No inputs could be made, or none that says anything."""
    DISAGREEMENT = "disagreement"
    """Solutions differ on too many inputs: the problem is not clear, or none of them is right."""
    FEW_TESTS = "few_tests"
    SOLVED_BY_PARENT = "solved_by_parent"
    """A right solution of a parent passes all tests: it is the parent in other words."""
    NOT_RUN = "not_run"


WANTS_ANSWERS: Final = frozenset({Reason.FEW_SOLUTIONS, Reason.NO_INPUTS, Reason.FEW_TESTS})
"""Reasons that more answers of the teacher might have spared a problem."""


@dataclass(frozen=True, slots=True)
class Writers:
    """Take the rows of the three tables."""

    problems: TableWriter
    tests: TableWriter
    solutions: TableWriter


@dataclass(slots=True)
class _New:
    """A problem on its way."""

    asked: Asked
    draft: Draft | None = None
    text: str = ""
    model: str = ""
    request_id: str | None = None
    verdict: Reason = Reason.KEPT
    witness: str | None = None
    detail: str | None = None
    codes: list[str] = field(default_factory=list)
    tests: list[Row] = field(default_factory=list)
    passes: dict[str, bool | None] = field(default_factory=dict)
    """What the tests say of solutions, by their names."""
    failure: str | None = None
    """What the server said where an answer after the draft is missing."""
    agreed: int = 0
    disagreed: int = 0

    @property
    def problem_id(self) -> str:
        return f"{DATASET}/{SPLIT}/{self.asked.native_id}"

    @property
    def is_in(self) -> bool:
        return self.verdict is Reason.KEPT

    def drop(self, verdict: Reason, *, witness: str | None = None, detail: str | None = None) -> None:
        """Say why it does not stay; what answers are missing for is the server's fault, not the problem's."""
        if self.failure is not None and verdict in WANTS_ANSWERS:
            verdict, detail = Reason.TEACHER_ERROR, f"{verdict}: {self.failure}"
        self.verdict, self.witness, self.detail = verdict, witness, detail


class _Kept:
    def __init__(self) -> None:
        self.rows: list[Row] = []

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows as a table's writer does."""
        self.rows += rows.to_pylist()


def synthesize(  # noqa: PLR0913 - a step with a teacher needs all of it
    known: Known,
    solutions: RowSource,
    *,
    config: SynthesisConfig,
    making: GeneratingConfig,
    ask: AskTeacher,
    writers: Writers,
    finished: Path,
    engine: Engine,
    progress: Progress = SILENT,
) -> StageCounts:
    """Write ``synthetic_problems``, and tests and solutions of those that are kept.

    Parameters
    ----------
    known
        Problems that new ones are made from and compared with, and the benchmarks.
    solutions
        Given problem ids, returns their solutions.
    config, making
        What is asked for, and how tests are made.
    ask
        Asks the teacher; answers are paid once.
    finished
        Folder that keeps the tests of finished problems for the next run.

    Returns
    -------
    StageCounts
        Problems that were asked for; ``dropped`` by reason.

    Raises
    ------
    JudgeError
        When no sandbox works here.
    """
    wanted = [_New(asked) for asked in _wanted(known.problems(), solutions, config)]
    _draft(wanted, ask, config, making)
    _compare(wanted, known)
    early = sum(not one.is_in for one in wanted)
    progress.advance(early)
    _solve(wanted, ask, config, making)
    _make(wanted, ask, config, making, finished, engine)
    _judge(wanted, making, engine)
    progress.advance(len(wanted) - early)
    for writer, table, rows in (
        (writers.problems, SYNTHETIC_PROBLEMS, [_problem_row(one) for one in wanted]),
        (writers.tests, SYNTHETIC_TESTS, [row for one in wanted if one.is_in for row in one.tests]),
        (writers.solutions, SYNTHETIC_SOLUTIONS, [row for one in wanted if one.is_in for row in _solution_rows(one)]),
    ):
        if rows:
            ordered = sorted(rows, key=lambda row: tuple(row[name] for name in table.key))
            writer.write(pa.Table.from_pylist(ordered, schema=table.schema))
    notes = {
        f"asked {style}": sum(one.asked.style == style for one in wanted) for style in dict.fromkeys(config.styles)
    }
    return count_verdicts((one.verdict for one in wanted), notes=notes).require_conserved("synthetic_problems")


# ---- what is asked for ----


def _wanted(problems: Iterable[pa.RecordBatch], solutions: RowSource, config: SynthesisConfig) -> Iterator[Asked]:
    """Yield what is asked for: styles in turn, known problems in an order that only their ids and the seed decide."""
    seeds = _seeds(problems, solutions, config)
    for number in range(config.count):
        style = Style(config.styles[number % len(config.styles)])
        enough = len(seeds) >= style.parents
        parents = tuple(seeds[(number + place) % len(seeds)] for place in range(style.parents)) if enough else ()
        yield Asked(number, style, parents)


def _seeds(problems: Iterable[pa.RecordBatch], solutions: RowSource, config: SynthesisConfig) -> list[Seed]:
    most = config.count + 1
    drawn = heapq.nsmallest(most * SPARE_SEEDS, _drawn(problems, config.choice_seed)) if config.count else []
    statements = {problem_id: statement for _, problem_id, statement in drawn}
    best: dict[str, tuple[bool, int, str, str]] = {}
    for row in _rows(solutions(list(statements)), ("problem_id", "language", "code", "is_correct")):
        name, language, code = row["problem_id"], row["language"], row["code"] or ""
        if name in statements and row["is_correct"] and language in LANGUAGES and code.strip():
            # Python first, which the teacher is asked for; then the shortest.
            ranked = language != Language.PYTHON, len(code), language, code
            best[name] = min(best.get(name, ranked), ranked)
    found = (Seed(name, text, *best[name][2:]) for name, text in statements.items() if name in best)
    return list(islice(found, most))


def _drawn(problems: Iterable[pa.RecordBatch], seed: int) -> Iterator[tuple[str, str, str]]:
    for row in _rows(problems, ("problem_id", "statement", "io_mode", "has_image")):
        if (row.get("io_mode") or IoMode.STDIN) == IoMode.STDIN and not row.get("has_image"):
            digest = hashlib.sha256(f"{seed}:{row['problem_id']}".encode()).hexdigest()
            yield digest, row["problem_id"], row["statement"]


def _rows(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[Row]:
    for batch in batches:
        yield from batch.select([name for name in columns if name in batch.schema.names]).to_pylist()


# ---- what the teacher says ----


def _draft(wanted: Sequence[_New], ask: AskTeacher, config: SynthesisConfig, making: GeneratingConfig) -> None:
    for one in wanted:
        if not one.asked.parents:
            one.drop(Reason.NO_SEED)
    asked = [one for one in wanted if one.is_in]
    if not asked:
        return
    requests = (draft_request(one.asked, config.drafting_temperature, making.max_tokens) for one in asked)
    for one, reply in zip(asked, ask(requests), strict=True):
        one.text, one.model, one.request_id = reply.text, reply.model, reply.request_id
        one.draft = None if reply.unusable else read_draft(reply.text)
        if reply.unusable:
            one.drop(Reason(reply.unusable), detail=reply.error)
        elif one.draft is None:
            one.drop(Reason.NO_PROBLEM)


def _compare(wanted: Sequence[_New], known: Known) -> None:
    rows = [_problem_row(one) for one in wanted if one.is_in]
    plain = [{name: value for name, value in row.items() if name in _PLAIN} for row in rows]
    found = too_like(plain, known)
    for one in wanted:
        if one.problem_id in found and one.is_in:
            decision, witness = found[one.problem_id]
            one.drop(Reason(decision), witness=witness)


_PLAIN: Final = frozenset(SYNTHETIC_PROBLEMS.schema.names[: SYNTHETIC_PROBLEMS.schema.get_field_index("style")])


def _solve(wanted: Sequence[_New], ask: AskTeacher, config: SynthesisConfig, making: GeneratingConfig) -> None:
    asked = [one for one in wanted if one.is_in]
    requests = [
        request
        for one in asked
        for request in solution_requests(
            _statement(one), one.asked.native_id, config.candidates, config.drafting_temperature, making.max_tokens
        )
    ]
    replies = iter(ask(requests) if requests else ())
    for one in asked:
        answers = list(islice(replies, config.candidates))
        one.failure = next((reply.error for reply in answers if reply.error is not None), None)
        one.codes = [code for code in dict.fromkeys(map(code_of, answers)) if code.strip()]
        if len(one.codes) < AGREEING:
            one.drop(Reason.FEW_SOLUTIONS, detail=f"{len(one.codes)} programs of different text")
    next(replies, None)  # lets the ledger go


def _statement(one: _New) -> str:
    return one.draft.statement if one.draft else ""


# ---- tests ----


def _make(
    wanted: Sequence[_New],
    ask: AskTeacher,
    config: SynthesisConfig,
    making: GeneratingConfig,
    finished: Path,
    engine: Engine,
) -> None:
    """Make tests as for any other problem; its examples are what is known of it."""
    made, outcomes = _Kept(), dict[str, Row]()
    ready = {one.problem_id: one for one in wanted if one.is_in}
    if not ready:
        return
    for one in ready.values():
        one.tests = list(_examples(one))
    make_tests(
        pa.Table.from_pylist([_problem_row(one) for one in ready.values()], SYNTHETIC_PROBLEMS.schema).to_batches(),
        _source([row for one in ready.values() for row in one.tests]),
        _source([row | {"is_correct": True} for one in ready.values() for row in _solution_rows(one)]),
        config=making,
        writer=made,
        programs=_Kept(),
        finished=finished,
        ask=ask,
        told=lambda outcome: outcomes.update({outcome["problem_id"]: outcome}),
        engine=engine,
    )
    for row in made.rows:
        ready[row["problem_id"]].tests.append({name: row[name] for name in SYNTHETIC_TESTS.schema.names})
    for name, one in ready.items():
        _weigh(one, outcomes[name], config)


def _weigh(one: _New, outcome: Row, config: SynthesisConfig) -> None:
    """Drop a problem whose tests could not be made, or on whose inputs solutions differ too often."""
    funnel = outcome["funnel"]
    one.agreed = sum(funnel.get(fate, 0) for fate in (Fate.KEPT, Fate.CATCHES_NOTHING, Fate.OVER_CAP))
    one.disagreed = sum(funnel.get(fate, 0) for fate in (Fate.DISAGREEMENT, Fate.RIGHT_FAILS))
    if one.failure is None and any(used["use"] == Use.TEACHER_ERROR for used in outcome["programs"]):
        one.failure = "a program that makes tests is missing"
    left = outcome["left"]
    if left == Left.NOT_RUN:
        one.drop(Reason.NOT_RUN, detail=outcome["detail"])
    elif left in {Left.NO_SOLUTION, Left.ONE_SOLUTION}:
        one.drop(Reason.FEW_SOLUTIONS, detail="fewer than two solutions pass the examples")
    elif one.agreed < config.least_agreement * (one.agreed + one.disagreed):
        one.drop(Reason.DISAGREEMENT, detail=f"solutions agree on {one.agreed} of {one.agreed + one.disagreed} inputs")
    elif left:
        one.drop(Reason.NO_INPUTS, detail=left)
    elif len(one.tests) < config.least_tests:
        one.drop(Reason.FEW_TESTS, detail=f"{len(one.tests)} tests")


def _examples(one: _New) -> Iterator[Row]:
    for number, (given, expected) in enumerate(one.draft.examples if one.draft else ()):
        yield {
            "problem_id": one.problem_id,
            "test_id": f"{number:04}",
            "kind": TestKind.EXAMPLE.value,
            "input": given,
            "expected": expected,
            "suspicions": [],
            "bound": None,
        }


def _source(rows: Sequence[Row]) -> Callable[[Collection[str]], list[pa.RecordBatch]]:
    return lambda names: pa.Table.from_pylist([row for row in rows if row["problem_id"] in set(names)]).to_batches()


def _judge(wanted: Sequence[_New], making: GeneratingConfig, engine: Engine) -> None:
    """Run solutions on all tests, and those of the parents: a parent that solves the new problem is the same problem."""
    ready = [one for one in wanted if one.is_in]
    samples = [
        {"sample_id": f"{one.problem_id}#{name}", "problem_id": one.problem_id, "language": language, "code": code}
        for one in ready
        for name, language, code in _programs(one)
    ]
    if not samples:
        return
    kept = _Kept()
    judge(
        pa.Table.from_pylist([_problem_row(one) for one in ready], SYNTHETIC_PROBLEMS.schema).to_batches(),
        _source([row for one in ready for row in one.tests]),
        pa.Table.from_pylist(samples).to_batches(),
        config=JudgeConfig.of(making).replaced(max_tests=None, stop_at_first_failure=True),
        writer=kept,
        engine=engine,
    )
    by_id = {row["sample_id"]: row["verdict"] for row in kept.rows}
    for one in ready:
        for name, *_ in _programs(one):
            verdict = by_id[f"{one.problem_id}#{name}"]
            one.passes[name] = None if verdict == Verdict.NOT_RUN else verdict == Verdict.ACCEPTED
        solved = [parent.problem_id for parent in one.asked.parents if one.passes[parent.problem_id]]
        if solved:
            one.drop(Reason.SOLVED_BY_PARENT, witness=solved[0])
        elif sum(one.passes[f"{place:04}"] is True for place in range(len(one.codes))) < AGREEING:
            one.drop(Reason.FEW_SOLUTIONS, detail="fewer than two solutions pass all tests")


def _programs(one: _New) -> Iterator[tuple[str, str, str]]:
    for place, code in enumerate(one.codes):
        yield f"{place:04}", Language.PYTHON.value, code
    for parent in one.asked.parents:
        yield parent.problem_id, parent.language, parent.code


# ---- rows ----


def _problem_row(one: _New) -> Row:
    statement = _statement(one) if one.is_in else ""
    right = sum(one.passes.get(f"{place:04}") is True for place in range(len(one.codes)))
    return {
        "problem_id": one.problem_id,
        "dataset": DATASET,
        "split": SPLIT,
        "native_id": one.asked.native_id,
        "title": (one.draft.title or None) if one.draft else None,
        "statement": statement,
        "io_mode": IoMode.STDIN.value,
        "checker": Checker.TOKENS.value,
        "tags": [],
        "license": "unknown",
        "has_image": False,
        "statement_sha256": hashlib.sha256(statement.encode("utf-8", "surrogatepass")).hexdigest(),
        "n_tests": len(one.tests) if one.is_in else 0,
        "n_solutions": right if one.is_in else 0,
        "repairs": [],
        "style": one.asked.style.value,
        "parents": sorted(parent.problem_id for parent in one.asked.parents),
        "verdict": one.verdict.value,
        "witness": one.witness,
        "detail": one.detail,
        "draft": one.text,
        "model": one.model,
        "request_id": one.request_id,
        "candidates": len(one.codes),
        "inputs_agreed": one.agreed,
        "inputs_disagreed": one.disagreed,
    }


def _solution_rows(one: _New) -> list[Row]:
    return [
        {
            "problem_id": one.problem_id,
            "solution_id": f"{place:04}",
            "language": Language.PYTHON.value,
            "code": code,
            "is_correct": one.passes.get(f"{place:04}"),
            "source_verdict": None,
        }
        for place, code in enumerate(one.codes)
    ]
