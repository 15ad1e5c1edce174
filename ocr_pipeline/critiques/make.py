"""Asks a critic about judged samples and writes a row for each sample and kind, whatever came of it.

Which samples are asked about is decided in ``choosing``, what an answer says in ``answers.judgement``. Sending, paying once and
keeping answers is the teacher's business. The texts of the samples that are asked about are held in memory.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.answers import split_thought
from ocr_pipeline.answers.judgement import Judgement, read_judgement
from ocr_pipeline.asking import Asking
from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts, count_verdicts
from ocr_pipeline.critiques.choosing import LANGUAGES, Judged, Verdict, choose, judged_of
from ocr_pipeline.critiques.options import CritiqueConfig, Kind
from ocr_pipeline.errors import InputError
from ocr_pipeline.judge.showing import Showing
from ocr_pipeline.judge.verdicts import Candidate, ProblemSpec, Test
from ocr_pipeline.steps import Rows
from ocr_pipeline.store import TableWriter, rows_of
from ocr_pipeline.tables import ACCEPTED, CRITIQUES
from ocr_pipeline.teacher.ask import Reply
from ocr_pipeline.teacher.ask import ask as ask_teacher
from ocr_pipeline.teacher.request import Message, Request
from ocr_pipeline.teacher.servers import Server
from ocr_pipeline.teacher.session import Totals

__all__ = ["Inputs", "Show", "make_critiques"]

BATCH_ROWS: Final = 256
PROBLEMS_AT_ONCE: Final = 256
"""Problems whose tests are in memory together."""
NARROW: Final = ("sample_id", "problem_id", "language", "verdict", "needs_checker", "trusts_candidate")

Show = Callable[[Iterable[Showing]], Iterator[tuple[str, str]]]
"""Runs programs on one test each, and gives the text that each of them gave, by key, in any order."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The tables of one partition."""

    executions: Rows
    samples: Rows
    problems: Rows
    tests: tuple[Rows, ...]
    """Of every kind; those that do not exist are left out."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One row before anybody is asked."""

    judged: Judged
    kind: Kind
    reason: Verdict | None
    test: Test | None = None
    got: str | None = None


def make_critiques(  # noqa: PLR0913 - a step with a teacher needs all of it
    inputs: Inputs,
    *,
    config: CritiqueConfig,
    asking: Asking,
    server: Server,
    ledger: Path,
    writer: TableWriter,
    show: Show,
    progress: Progress = SILENT,
    ask: Callable[..., Iterator[Reply]] = ask_teacher,
) -> StageCounts:
    """Write ``critiques`` for one partition, sorted by problem and sample.

    Parameters
    ----------
    inputs
        Executions, and what they were made from.
    ledger
        File of the paid answers.
    show
        Gives what failing programs gave for the test that is shown.

    Returns
    -------
    StageCounts
        Rows in are judged samples, for each kind that is asked for; notes say what agreed, and what was paid.

    Raises
    ------
    TeacherError, StoreError, BudgetError
        As the teacher's door raises them.
    JudgeError
        When failures are to be shown and no sandbox works here.
    """
    statements = {
        row["problem_id"]: row for row in rows_of(inputs.problems.batches()) if (row["statement"] or "").strip()
    }
    duplicates = {
        row["sample_id"]
        for row in rows_of(inputs.samples.batches(("sample_id", "duplicate_of")))
        if row["duplicate_of"]
    }
    judged = sorted(
        judged_of(row, duplicates=duplicates, known=statements) for row in rows_of(inputs.executions.batches(NARROW))
    )
    _require_once(judged)
    reasons = choose(judged, config)
    wanted = {sample_id for (sample_id, _), reason in reasons.items() if reason is None}
    codes = {
        row["sample_id"]: row["code"]
        for row in rows_of(inputs.samples.batches(("sample_id", "code")))
        if row["sample_id"] in wanted and (row["code"] or "").strip()
    }
    asked = [
        _with_code(_Asked(each, kind, reasons[each.sample_id, kind]), codes)
        for each in judged
        for kind in config.kinds.each
    ]
    asked = _with_failures(asked, inputs, statements, codes, config, show)
    totals: list[Totals] = []
    replies = (
        ask(
            (_request(one, statements, codes, config) for one in asked if one.reason is None),
            server=server,
            ledger=ledger,
            config=asking,
            progress=progress,
            on_totals=totals.append,
        )
        if any(one.reason is None for one in asked)
        else iter(())
    )
    rows = (_row(one, next(replies) if one.reason is None else None) for one in asked)
    seen: Counter[str] = Counter()
    verdicts: Counter[Verdict] = Counter()
    while some := list(itertools.islice(rows, BATCH_ROWS)):
        writer.write(pa.Table.from_pylist(some, schema=CRITIQUES.schema))
        verdicts.update(Verdict(row["verdict"]) for row in some)
        seen.update("agrees" if row["agrees"] else "disagrees" for row in some if row["agrees"] is not None)
    next(replies, None)  # lets the ledger go
    notes = dict(seen) | {"reused": sum(one.reused for one in totals), "asked": sum(one.done for one in totals)}
    return count_verdicts(verdicts.elements(), notes=notes).require_conserved(CRITIQUES.name)


def _with_code(asked: _Asked, codes: Mapping[str, str]) -> _Asked:
    has_code = asked.reason is not None or asked.judged.sample_id in codes
    return asked if has_code else replace(asked, reason=Verdict.NO_PROGRAM)


# ---- failures that are shown ----


def _with_failures(
    asked: Sequence[_Asked],
    inputs: Inputs,
    statements: Mapping[str, Mapping[str, Any]],
    codes: Mapping[str, str],
    config: CritiqueConfig,
    show: Show,
) -> list[_Asked]:
    """Put the shortest failed test, and what the program gave for it, to whatever is to be explained."""
    explained = {one.judged.sample_id: one for one in asked if one.kind is Kind.EXPLAIN and one.reason is None}
    if not explained:
        return list(asked)
    tests = _shortest_failed(explained, inputs, config)
    showings = (
        Showing(
            sample_id,
            ProblemSpec.of_row(statements[one.judged.problem_id]),
            Candidate(one.judged.language, codes[sample_id]),
            tests[sample_id],
        )
        for sample_id, one in explained.items()
        if sample_id in tests
    )
    given = dict(show(showings))
    return [_with_failure(one, tests, given) if one.judged.sample_id in explained else one for one in asked]


def _with_failure(asked: _Asked, tests: Mapping[str, Test], given: Mapping[str, str]) -> _Asked:
    if asked.kind is not Kind.EXPLAIN:
        return asked
    test = tests.get(asked.judged.sample_id)
    if test is None:
        return replace(asked, reason=Verdict.NO_TEST_TO_SHOW)
    return replace(asked, test=test, got=given[asked.judged.sample_id])


def _shortest_failed(explained: Mapping[str, _Asked], inputs: Inputs, config: CritiqueConfig) -> dict[str, Test]:
    failed: dict[str, dict[str, set[str]]] = {}
    for row in rows_of(inputs.executions.batches(("sample_id", "problem_id", "results"))):
        if row["sample_id"] in explained:
            ids = {result["test_id"] for result in row["results"] or () if result["verdict"] != ACCEPTED}
            failed.setdefault(row["problem_id"], {})[row["sample_id"]] = ids
    shortest: dict[str, Test] = {}
    names = iter(sorted(failed))
    while some := list(itertools.islice(names, PROBLEMS_AT_ONCE)):
        for row in rows_of(itertools.chain.from_iterable(tests.of(some) for tests in inputs.tests if tests.exist)):
            test = Test(row["test_id"], row["input"] or "", row["expected"] or "")
            if _length(test) > config.shown_characters:
                continue
            for sample_id, ids in failed.get(row["problem_id"], {}).items():
                known = shortest.get(sample_id)
                if test.test_id in ids and (known is None or _order(test) < _order(known)):
                    shortest[sample_id] = test
    return shortest


def _length(test: Test) -> int:
    return len(test.input) + len(test.expected)


def _order(test: Test) -> tuple[int, str]:
    return _length(test), test.test_id


# ---- what is asked, and what is written ----


def _request(
    asked: _Asked, statements: Mapping[str, Mapping[str, Any]], codes: Mapping[str, str], config: CritiqueConfig
) -> Request:
    judged, prompt = asked.judged, asked.kind.prompt
    shown = {} if asked.test is None else {"input": asked.test.input, "expected": asked.test.expected}
    values = {
        "language": LANGUAGES[judged.language],
        "statement": statements[judged.problem_id]["statement"],
        "code": codes[judged.sample_id],
        "got": asked.got or "",
        **shown,
    }
    params = {"temperature": config.temperature, "top_p": config.top_p, "max_tokens": config.max_tokens, "seed": 0}
    subject = {"problem_id": judged.problem_id, "sample_id": judged.sample_id, "kind": asked.kind.value}
    text = prompt.fill(**{name: value for name, value in values.items() if name in prompt.places})
    return Request((Message("user", text),), params, subject=subject)


def _require_once(judged: Sequence[Judged]) -> None:
    """Refuse a file that is given twice: its samples would be asked about, and paid for, twice."""
    for one, following in itertools.pairwise(sorted(each.sample_id for each in judged)):
        if one == following:
            message = f"executions name the sample `{one}` twice; give each file once"
            raise InputError(message)


def _row(asked: _Asked, reply: Reply | None) -> dict[str, Any]:
    judged = asked.judged
    reason, judgement = asked.reason or Verdict.KEPT, Judgement.NONE
    if reply is not None:
        reason, judgement = _read(asked.kind, reply)
    return {
        "sample_id": judged.sample_id,
        "kind": asked.kind.value,
        "problem_id": judged.problem_id,
        "language": judged.language,
        "model": reply.model if reply else "",
        "request_id": reply.request_id if reply else None,
        "critique": (reply.text or None) if reply else None,
        "judgement": judgement.value,
        "agrees": None if judgement is Judgement.NONE else judgement is judged.truth,
        "execution": judged.execution,
        "shown_test": asked.test.test_id if asked.test else None,
        "got": asked.got,
        "verdict": reason.value,
        "detail": reply.error if reply else None,
    }


def _read(kind: Kind, reply: Reply) -> tuple[Verdict, Judgement]:
    if reply.unusable is not None:
        return Verdict(reply.unusable), Judgement.NONE
    if kind is Kind.EXPLAIN:
        return (Verdict.KEPT if (split_thought(reply.text).answer or "").strip() else Verdict.EMPTY), Judgement.NONE
    judgement = read_judgement(reply.text)
    return (Verdict.UNREADABLE_JUDGEMENT if judgement is Judgement.NONE else Verdict.KEPT), judgement
