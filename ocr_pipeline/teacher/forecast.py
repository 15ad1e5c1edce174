"""What a run will cost, before it starts: requests, tokens, time and money, with what each figure rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.errors import TeacherError
from ocr_pipeline.teacher.book import Book, batched
from ocr_pipeline.teacher.generate import Asked, Enumeration, Part, ledger_file, teachers_of
from ocr_pipeline.teacher.ledgers import has_ledger, open_ledger
from ocr_pipeline.teacher.options import GenerateConfig
from ocr_pipeline.teacher.policy import DEFAULT_POLICY, Policy
from ocr_pipeline.teacher.records import LedgerSummary
from ocr_pipeline.teacher.reply import Usage
from ocr_pipeline.teacher.request import Identity
from ocr_pipeline.teacher.servers import Server
from ocr_pipeline.teacher.session import OUTSIDE, Outside, look_up_model
from ocr_pipeline.teacher.tokens import estimate
from ocr_pipeline.teacher.wanted import Wanted

__all__ = ["Forecast", "forecast", "forecasts"]

LOOKUP_ROWS: Final = 256
ENOUGH_ANSWERS: Final = 20


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected cost of what is still to be asked."""

    requests: int
    reused: int
    too_long: int
    prompt_tokens: int
    completion_tokens: int
    completion_tokens_at_most: int
    time_s: float | None
    cost: float | None
    basis: str
    """What the length of the answers rests on: answers seen, or an assumption."""

    def lines(self) -> Iterator[str]:
        """Describe it for a person."""
        yield f"to ask {self.requests:,} requests; {self.reused:,} are in the ledger, {self.too_long:,} prompts are too long"
        yield f"expected {self.prompt_tokens:,} prompt and {self.completion_tokens:,} completion tokens (at most {self.completion_tokens_at_most:,}); {self.basis}"
        if self.time_s is not None:
            yield f"expected time {self.time_s / 3600:,.2f} h"
        if self.cost is not None:
            yield f"expected cost {self.cost:,.2f}"


def forecasts(
    problems: Callable[[], Iterable[pa.RecordBatch]],
    *,
    config: GenerateConfig,
    server: Server,
    ledger: Path,
    dataset: str,
    policy: Policy = DEFAULT_POLICY,
    outside: Outside = OUTSIDE,
) -> Iterator[tuple[str, Forecast | TeacherError]]:
    """Count for each teacher what :func:`ocr_pipeline.teacher.generate` would ask with the same arguments.

    Nothing is asked or written. Of several teachers, one that cannot be used is told as what it says.

    Raises
    ------
    TeacherError
        When the only teacher cannot be used as configured.
    StoreError
        When the ledger cannot be used.
    """
    teachers, split = teachers_of(config, server, problems)
    path = ledger_file(ledger, dataset, config.language)
    for number, teacher in enumerate(teachers):
        try:
            served = look_up_model(teacher.server, Identity(teacher.config.model, teacher.config.revision), outside)
        except TeacherError as error:
            if len(teachers) == 1:
                raise
            yield teacher.config.model, error
            continue
        enumeration = Enumeration(Part(problems, policy, split, number), teacher.config, served)
        if has_ledger(path):
            with open_ledger(path, lock_timeout_s=config.lock_timeout_s) as book:
                yield teacher.config.model, _forecast(enumeration, teacher.config, book)
        else:
            yield teacher.config.model, _forecast(enumeration, teacher.config, None)


def forecast(problems: Callable[[], Iterable[pa.RecordBatch]], **asked: Any) -> Forecast:
    """Return the forecast of a single teacher; the arguments are those of :func:`forecasts`."""
    ((_, found),) = forecasts(problems, **asked)
    if isinstance(found, TeacherError):
        raise found
    return found


def _forecast(enumeration: Enumeration, config: GenerateConfig, ledger: Book | None) -> Forecast:
    requests = reused = too_long = prompt_tokens = 0
    with Wanted() as wanted:
        for chunk in batched(enumeration, LOOKUP_ROWS):
            fresh = [asked for asked in chunk if wanted.add(asked.request_id, b"")]
            open_ones = [asked for asked in fresh if not enumeration.is_too_long(asked)]
            too_long += len(fresh) - len(open_ones)
            settled = _settled(ledger, open_ones, enumeration, config) if ledger else {}
            reused += len(settled)
            for asked in open_ones:
                if asked.request_id not in settled:
                    requests += 1
                    prompt_tokens += asked.prompt_tokens or estimate(len(asked.request.messages[0].content))
    summary = ledger.summary() if ledger else LedgerSummary()
    return _priced(config, summary, requests, reused, too_long, prompt_tokens)


def _settled(
    ledger: Book, asked: Sequence[Asked], enumeration: Enumeration, config: GenerateConfig
) -> dict[str, Usage]:
    return ledger.settled(
        [one.request_id for one in asked],
        context_tokens=enumeration.context_tokens,
        retry_failed=config.retry_failed,
    )


def _priced(
    config: GenerateConfig, seen: LedgerSummary, requests: int, reused: int, too_long: int, prompt_tokens: int
) -> Forecast:
    has_seen = seen.mean_completion_tokens is not None and seen.answers >= ENOUGH_ANSWERS
    mean = seen.mean_completion_tokens if has_seen and seen.mean_completion_tokens else config.max_tokens / 2
    basis = (
        f"from {seen.answers:,} answers: mean {mean:,.0f}, 95 % below {seen.p95_completion_tokens:,} tokens"
        if has_seen
        else "assuming half of max_tokens per answer, until 20 answers are known"
    )
    completion_tokens = round(requests * mean)
    places = max(1, min(config.window, requests))
    return Forecast(
        requests=requests,
        reused=reused,
        too_long=too_long,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        completion_tokens_at_most=requests * config.max_tokens,
        time_s=requests * seen.mean_latency_s / places if has_seen and seen.mean_latency_s is not None else None,
        cost=config.cost(prompt_tokens, completion_tokens) if config.has_price else None,
        basis=basis,
    )
