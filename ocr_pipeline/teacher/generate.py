"""Asks the teacher for solutions to problems and writes ``responses``: one row per wanted request, failures included.

The rows are built from the ledger, by problem and sample, whatever the order and number of the runs that paid for
them. What is asked is decided here and in :mod:`ocr_pipeline.teacher.prompts`; how, in the modules below.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa

from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError, TeacherError
from ocr_pipeline.store import TableWriter
from ocr_pipeline.tables import RESPONSES, Language
from ocr_pipeline.teacher.ask import RESERVE_BYTES_PER_CALL, moment, prepared_call, require_room
from ocr_pipeline.teacher.book import Book, batched
from ocr_pipeline.teacher.budget import Account
from ocr_pipeline.teacher.client import Served
from ocr_pipeline.teacher.ledgers import open_ledger
from ocr_pipeline.teacher.options import GenerateConfig
from ocr_pipeline.teacher.policy import DEFAULT_POLICY, Policy, Subject
from ocr_pipeline.teacher.prompts import solve_prompt
from ocr_pipeline.teacher.records import Record
from ocr_pipeline.teacher.reply import Answer, ErrorKind
from ocr_pipeline.teacher.request import Identity, Message, Request, request_id
from ocr_pipeline.teacher.servers import Server, attach
from ocr_pipeline.teacher.session import OUTSIDE, Call, Outside, Totals, converse, look_up_model
from ocr_pipeline.teacher.several import ByShare, PerProblem, Split, read_teachers
from ocr_pipeline.teacher.tokens import CountedBy, estimate, load_tokenizer
from ocr_pipeline.teacher.wanted import Wanted, WantedRow

__all__ = ["Part", "Teacher", "generate", "ledger_file", "teachers_of"]

ROWS_PER_BATCH: Final = 128
SUMMED: Final = ("reused", "answered", "failed", "prompt_tokens", "completion_tokens", "most_in_flight", "taken_out")
NEEDED_COLUMNS: Final = ("problem_id", "statement")
OPTIONAL_COLUMNS: Final = ("io_mode", "starter_code", "function_name", "rating", "difficulty")


@dataclass(frozen=True, slots=True)
class Teacher:
    """Who is asked: the run's options as they are for this teacher, and its servers, already entered."""

    config: GenerateConfig
    server: Server


@dataclass(frozen=True, slots=True)
class Asked:
    """One wanted request and whom it is for."""

    problem_id: str
    sample_index: int
    request_id: str
    request: Request
    prompt_sha256: str
    prompt_tokens: int | None


def ledger_file(folder: Path, dataset: str, language: str) -> Path:
    """Return the ledger of one partition."""
    return folder / f"{dataset}-{language}.sqlite"


def generate(  # noqa: PLR0913 - the parts of a run
    problems: Callable[[], Iterable[pa.RecordBatch]],
    *,
    config: GenerateConfig,
    server: Server,
    ledger: Path,
    dataset: str,
    writer: TableWriter,
    policy: Policy = DEFAULT_POLICY,
    progress: Progress = SILENT,
    clock: Callable[[], float] = time.time,
    outside: Outside = OUTSIDE,
) -> StageCounts:
    """Ask for all samples of all problems that the ledger does not hold, and write every row.

    Parameters
    ----------
    problems
        Gives the problems, the same ones each time it is called: ``problem_id`` and ``statement``, and as far as
        there are any ``io_mode``, ``starter_code``, ``function_name``, ``rating``, ``difficulty``.
    config
        What is asked, and of whom: with ``teachers`` of several, one after the other.
    server
        From :mod:`ocr_pipeline.teacher.servers`, already entered.
    ledger
        Folder of the ledgers; each ``dataset`` and language has its own.
    dataset
        Names the ledger.
    writer
        Takes the rows of ``responses``, sorted by problem and sample.
    policy
        How many samples a problem gets, and how long it may think.
    progress
        Told what is settled.

    Returns
    -------
    StageCounts
        Rows in are wanted requests, kept are answers, dropped are failures by kind; notes say what was reused and paid.

    Raises
    ------
    TeacherError
        When the teacher cannot be used as configured; what was answered is kept. Of several teachers, when none can.
    StoreError
        When the ledger cannot be used.
    BudgetError
        When the budget has no room for a single request.
    """
    teachers, split = teachers_of(config, server, problems)
    path = ledger_file(ledger, dataset, config.language)
    reserve_bytes = config.window * RESERVE_BYTES_PER_CALL
    talks: list[_Talk] = []
    with (
        open_ledger(path, lock_timeout_s=config.lock_timeout_s, reserve_bytes=reserve_bytes) as book,
        Wanted() as wanted,
    ):
        start_s = clock()
        for number, teacher in enumerate(teachers):
            part = Part(problems, policy, split, number)
            spent = talks[-1].account if talks else None
            left = _with_time_left(teacher, clock() - start_s) if talks else teacher
            talks.append(_talk(left, part, book, wanted, spent, progress, clock, outside, is_alone=len(teachers) == 1))
        failures = [talk.failure for talk in talks if talk.failure is not None]
        if len(failures) == len(talks):
            raise failures[0]
        totals = _together([talk.totals for talk in talks])
        require_room(totals)
        verdicts = _write(wanted, book, talks, writer)
    notes = {"teachers": len(talks), "teachers_failed": len(failures)} if len(talks) > 1 else {}
    return _counts(verdicts, totals, notes)


def teachers_of(
    config: GenerateConfig, server: Server, problems: Callable[[], Iterable[pa.RecordBatch]]
) -> tuple[list[Teacher], Split]:
    """Return who is asked, and how the samples are split among them."""
    if config.teachers is None:
        return [Teacher(config, server)], PerProblem((1,))
    entries = read_teachers(config.teachers)
    run = config.replaced(teachers=None)
    teachers = [
        Teacher(entry.config(run), attach(entry.urls, entry.api_key_env) if entry.urls else server) for entry in entries
    ]
    if entries[0].share is None:
        weights = tuple(entry.samples or 0 for entry in entries)
        return [replace(each, config=each.config.replaced(samples=sum(weights))) for each in teachers], PerProblem(
            weights
        )

    def wanted() -> Iterator[tuple[str, int]]:
        for batch in problems():
            yield from ((problem_id, config.samples) for problem_id in batch["problem_id"].to_pylist())

    return teachers, ByShare.of([entry.share or 0.0 for entry in entries], config.seed, wanted)


@dataclass(frozen=True, slots=True)
class Part:
    """What one teacher is asked of all that is wanted."""

    problems: Callable[[], Iterable[pa.RecordBatch]]
    policy: Policy
    split: Split
    number: int

    def samples(self, subject: Subject, samples: int) -> int:
        """Return how many samples of a problem this teacher gives."""
        return self.split.counts(subject.problem_id, self.policy.samples(subject, samples))[self.number]


@dataclass(frozen=True, slots=True)
class _Talk:
    """What came of asking one teacher."""

    enumeration: Enumeration
    totals: Totals
    account: Account
    failure: TeacherError | None = None


def _talk(  # noqa: PLR0913 - the parts of a run
    teacher: Teacher,
    part: Part,
    ledger: Book,
    wanted: Wanted,
    spent: Account | None,
    progress: Progress,
    clock: Callable[[], float],
    outside: Outside,
    *,
    is_alone: bool,
) -> _Talk:
    """Ask one teacher; where there are others its failure is kept, and its requests are rows all the same."""
    config = teacher.config
    served = Served(Identity(config.model, config.revision))
    failure: TeacherError | None = None
    try:
        served = look_up_model(teacher.server, served.identity, outside)
        require_context(served, config)
    except TeacherError as error:
        failure = error
    enumeration = Enumeration(part, config, served)
    calls = enumeration.calls(wanted)
    account = Account(config, spent)
    totals = Totals()
    if failure is None:
        _book_what_was_paid(account, enumeration, ledger)
        try:
            totals = converse(
                calls,
                server=teacher.server,
                identity=served.identity,
                ledger=ledger,
                config=config,
                account=account,
                progress=progress,
                clock=clock,
                outside=outside,
                context_tokens=served.max_context_tokens,
            )
        except TeacherError as error:
            failure = error
    if failure is not None and is_alone:
        raise failure
    for _ in calls:  # what a cap or a failure left unasked is a row, too
        pass
    return _Talk(enumeration, totals, account, failure)


def _with_time_left(teacher: Teacher, elapsed_s: float) -> Teacher:
    cap_s = teacher.config.budget_time_s
    if cap_s is None:
        return teacher
    return replace(teacher, config=teacher.config.replaced(budget_time_s=max(0.0, cap_s - elapsed_s)))


def _together(every: Sequence[Totals]) -> Totals:
    """Return the totals of all teachers."""
    return Totals(
        **{name: sum(getattr(each, name) for each in every) for name in SUMMED},
        retries=sum((Counter(each.retries) for each in every), Counter()),
        stopped_by=next((each.stopped_by for each in every if each.stopped_by), None),
    )


class Enumeration:
    """Every request that a configuration wants for the problems, in an order that servers like: by prompt.

    Requests to one problem follow each other and share their whole prompt, so a server that keeps the state of
    prefixes computes it once.
    """

    def __init__(self, part: Part, config: GenerateConfig, served: Served) -> None:
        self._part = part
        self._config = config
        self.counter = load_tokenizer(config.tokenizer) if config.tokenizer else None
        self.identity = served.identity
        self.context_tokens = served.max_context_tokens
        self.language = config.language
        self.longest_prompt = _longest_prompt(config, served)

    def __iter__(self) -> Iterator[Asked]:
        """Yield the requests, those that are too long included."""
        for batch in self._part.problems():
            for row in _rows(batch):
                yield from self._of_problem(row)

    def calls(self, wanted: Wanted) -> Iterator[Call]:
        """Note every request in ``wanted`` and yield those that are to be asked."""
        for asked in self:
            too_long = self.is_too_long(asked)
            note = orjson.dumps(
                [
                    asked.prompt_sha256,
                    asked.request.params_json,
                    asked.prompt_tokens if too_long else None,
                    self._part.number,
                ]
            )
            is_new = wanted.add(asked.request_id, note, problem_id=asked.problem_id, sample_index=asked.sample_index)
            if is_new and not too_long:
                sent_as = self._config.sent_as
                yield prepared_call(asked.request, self.identity, asked.request_id, asked.prompt_sha256, sent_as)

    def is_too_long(self, asked: Asked) -> bool:
        """Whether the prompt leaves no room for the answer."""
        return (
            asked.prompt_tokens is not None
            and self.longest_prompt is not None
            and asked.prompt_tokens > self.longest_prompt
        )

    def _of_problem(self, row: Mapping[str, Any]) -> Iterator[Asked]:
        config = self._config
        prompt = solve_prompt(
            row["statement"],
            Language(config.language),
            io_mode=row["io_mode"] or "",
            starter_code=row["starter_code"],
            function_name=row["function_name"],
        )
        messages = (Message("user", prompt),)
        prompt_sha256 = hashlib.sha256(prompt.encode()).hexdigest()
        tokens = self.counter([prompt])[0] if self.counter else None
        subject = Subject(row["problem_id"], row["rating"], row["difficulty"])
        for sample_index in range(self._part.samples(subject, config.samples)):
            request = Request(
                messages,
                _params(config, subject, self._part.policy, sample_index),
                subject={"problem_id": subject.problem_id, "language": config.language, "sample_index": sample_index},
            )
            key = request_id(request, self.identity, prompt=[prompt_sha256])
            yield Asked(subject.problem_id, sample_index, key, request, prompt_sha256, tokens)


def _params(config: GenerateConfig, subject: Subject, policy: Policy, sample_index: int) -> dict[str, Any]:
    """Return the sampling fields of one request; the sample index is an offset to the seed."""
    thinking = policy.thinking_budget(subject, config.thinking_budget)
    return {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "max_tokens": config.max_tokens,
        "seed": config.seed + sample_index,
        **({"thinking_token_budget": thinking} if thinking is not None else {}),
        **config.extra,
    }


def require_context(served: Served, config: GenerateConfig) -> None:
    """Refuse a configuration that every request would fail with.

    Raises
    ------
    TeacherError
        When the answer alone does not fit in the served context.
    """
    if served.max_context_tokens is not None and config.max_tokens >= served.max_context_tokens:
        message = (
            f"max_tokens is {config.max_tokens}, but `{config.model}` is served with a context of {served.max_context_tokens} tokens; "
            "give a smaller --max-tokens, or serve it with a larger --max-model-len"
        )
        raise TeacherError(message)


def _longest_prompt(config: GenerateConfig, served: Served) -> int | None:
    if config.max_prompt_tokens is not None or served.max_context_tokens is None:
        return config.max_prompt_tokens
    return served.max_context_tokens - config.max_tokens


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    missing = [name for name in NEEDED_COLUMNS if name not in batch.schema.names]
    if missing:
        message = f"problems have no column {', '.join(f'`{name}`' for name in missing)}; they have {', '.join(batch.schema.names)}"
        raise InputError(message)
    there = [name for name in (*NEEDED_COLUMNS, *OPTIONAL_COLUMNS) if name in batch.schema.names]
    absent = dict.fromkeys(set(OPTIONAL_COLUMNS) - set(there))
    for row in batch.select(there).to_pylist():
        yield absent | row


def _book_what_was_paid(account: Account, enumeration: Enumeration, ledger: Book) -> None:
    """Book what the ledger already holds of the requests, where a cap counts it."""
    if account.budget.counts_spending:
        with Wanted() as seen:
            for chunk in batched((asked.request_id for asked in enumeration), ROWS_PER_BATCH):
                fresh = [key for key in chunk if seen.add(key, b"")]
                for usage in ledger.settled(fresh).values():
                    account.spend(usage)


def _write(wanted: Wanted, ledger: Book, talks: Sequence[_Talk], writer: TableWriter) -> Counter[str]:
    verdicts: Counter[str] = Counter()
    for rows in batched(wanted.by_problem(), ROWS_PER_BATCH):
        records = ledger.records([row.request_id for row in rows])
        built = [_response(row, records.get(row.request_id), talks) for row in rows]
        for number, talk in enumerate(talks):
            answers = [line for line, kind, of in built if kind == "kept" and of == number]
            _count_tokens(answers, talk.enumeration)
        verdicts.update(kind for _, kind, _ in built)
        writer.write(pa.RecordBatch.from_pylist([line for line, _, _ in built], schema=RESPONSES.schema))
    return verdicts


def _count_tokens(answers: Sequence[dict[str, Any]], enumeration: Enumeration) -> None:
    """Add our own count to the rows of answers; the server's counts its template and may be missing or wrong."""
    texts = [answer["text"] for answer in answers]
    counts = enumeration.counter(texts) if enumeration.counter else [estimate(len(text)) for text in texts]
    by = CountedBy.TOKENIZER if enumeration.counter else CountedBy.ESTIMATE
    for answer, count in zip(answers, counts, strict=True):
        answer |= {"text_tokens": count, "text_tokens_by": str(by)}


def _response(row: WantedRow, record: Record | None, talks: Sequence[_Talk]) -> tuple[dict[str, Any], str, int]:
    """Return one row of ``responses``, its verdict, and the number of its teacher."""
    prompt_sha256, params, too_long_tokens, number = orjson.loads(row.note)
    talk = talks[number]
    enumeration = talk.enumeration
    key = row.request_id
    if row.owner_id != row.problem_id:
        key = hashlib.sha256(f"{row.request_id}:{row.problem_id}".encode()).hexdigest()
        answer = _never_asked(enumeration, ErrorKind.SAME_REQUEST, f"asked for {row.owner_id}")
    elif too_long_tokens is not None:
        detail = f"{too_long_tokens} tokens, {enumeration.longest_prompt} are allowed"
        answer = _never_asked(enumeration, ErrorKind.PROMPT_TOO_LONG, detail)
    elif record is not None:
        answer = record.answer
    elif talk.failure is not None:
        answer = _never_asked(enumeration, ErrorKind.SETTING, str(talk.failure))
    else:
        answer = _never_asked(enumeration, ErrorKind.BUDGET, f"{talk.totals.stopped_by}")
    line = {
        "request_id": key,
        "problem_id": row.problem_id,
        "language": enumeration.language,
        "sample_index": row.sample_index,
        "model": answer.model,
        "prompt_sha256": prompt_sha256,
        "params": params,
        "text": answer.text,
        "answer_start": answer.answer_start,
        "is_final": answer.is_final if answer.error_kind else None,
        "finish_reason": answer.finish_reason,
        "stop_reason": answer.stop_reason,
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "latency_s": answer.latency_s,
        "attempts": answer.attempts,
        "created_at": moment(answer.created_ms),
        "error": answer.error,
        "repairs": list(answer.repairs),
    }
    return line, answer.error_kind or "kept", number


def _never_asked(enumeration: Enumeration, kind: ErrorKind, detail: str) -> Answer:
    return Answer(
        text="",
        model=str(enumeration.identity),
        created_ms=0,
        latency_s=0.0,
        attempts=0,
        error_kind=kind,
        error_detail=detail,
    )


def _counts(verdicts: Counter[str], totals: Totals, more: Mapping[str, int]) -> StageCounts:
    total = verdicts.total()
    kept = verdicts.pop("kept", 0)
    notes = {
        "reused": totals.reused,
        "paid": totals.done,
        "prompt_tokens": totals.prompt_tokens,
        "completion_tokens": totals.completion_tokens,
        "retries": sum(totals.retries.values()),
        **{f"retries_{kind}": count for kind, count in totals.retries.items()},
        **({"replicas_taken_out": totals.taken_out} if totals.taken_out else {}),
        **more,
    }
    return StageCounts(total, kept, {str(kind): count for kind, count in verdicts.items()}, notes).require_conserved(
        "responses"
    )
