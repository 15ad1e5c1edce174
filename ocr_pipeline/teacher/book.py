"""What every ledger does, whatever database it is in: which requests are settled, which records there are.

A kind of ledger brings :class:`Book`'s few abstract methods; what an answer, a failure and a settled request are is said
here once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, Self, TypeVar

from ocr_pipeline.teacher.records import LedgerSummary, Packer, Record, read_by_present_reader, unpacked
from ocr_pipeline.teacher.reply import ErrorKind, Usage

__all__ = ["LOOKUP_ROWS", "Book", "answer_row", "batched", "summarized"]

LOOKUP_ROWS: Final = 256
T = TypeVar("T")


class Book(ABC):
    """A ledger that is open: for reading, and for writing by this process alone."""

    def __init__(self) -> None:
        self._packed = Packer()

    @abstractmethod
    def __enter__(self) -> Self:
        """Take the lock and open the ledger."""

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Close it and give the lock back."""

    @abstractmethod
    def commit(self, records: Sequence[Record]) -> None:
        """Write records in one transaction; they are durable when this returns.

        An answer is never overwritten; a failure gives way to what comes later.

        Raises
        ------
        StoreError
            When they cannot be written; nothing of the group is then kept.
        """

    @abstractmethod
    def forget(self, kind: ErrorKind) -> int:
        """Remove the failures of a kind, so that they are asked again; return how many there were."""

    @abstractmethod
    def summary(self) -> LedgerSummary:
        """Count answers, failures and tokens."""

    @abstractmethod
    def all_records(self) -> Iterator[Record]:
        """Yield everything, in the order of the keys."""

    @abstractmethod
    def release_reserve(self) -> bool:
        """Give up space that was kept for what is in flight; return whether there was any."""

    @abstractmethod
    def _costs(self, keys: Sequence[bytes]) -> Iterable[tuple[bytes, int | None, int | None]]:
        """Return key and tokens of the answers among these requests."""

    @abstractmethod
    def _bodies(self, keys: Sequence[bytes], kinds: Sequence[str] | None) -> Iterable[tuple[bytes, bytes]]:
        """Return key and body of these requests; with ``kinds`` only of failures of those."""

    def settled(
        self, request_ids: Sequence[str], *, context_tokens: int | None = None, retry_failed: bool = False
    ) -> dict[str, Usage]:
        """Return those of the requests that need not be asked again, with the tokens that they cost.

        A failure is settled only if the question caused it; a prompt that was too long only for the same context.
        """
        found: dict[str, Usage] = {}
        for chunk in batched(request_ids, LOOKUP_ROWS):
            costs = self._costs([bytes.fromhex(key) for key in chunk])
            found |= {key.hex(): Usage(prompt, completion) for key, prompt, completion in costs}
            found |= {} if retry_failed else self._final_failures(chunk, context_tokens)
        return found

    def _final_failures(self, request_ids: Sequence[str], context_tokens: int | None) -> dict[str, Usage]:
        return {
            record.request_id: record.answer.usage
            for record in self.failures(request_ids, (ErrorKind.PROMPT_TOO_LONG, ErrorKind.MODERATION))
            if record.answer.is_final
            and (record.answer.error_kind is ErrorKind.MODERATION or record.answer.context_tokens == context_tokens)
        }

    def failures(self, request_ids: Sequence[str], kinds: Sequence[ErrorKind]) -> list[Record]:
        """Return the failures of some kinds among these requests."""
        keys = [bytes.fromhex(key) for key in request_ids]
        return [unpacked(key.hex(), body) for key, body in self._bodies(keys, [kind.value for kind in kinds])]

    def records(self, request_ids: Sequence[str]) -> dict[str, Record]:
        """Return the records of these requests, as far as there are any.

        An answer that an earlier reader read is read again from its raw reply; the ledger is not changed by that.
        """
        found: dict[str, Record] = {}
        for chunk in batched(request_ids, LOOKUP_ROWS):
            for key, body in self._bodies([bytes.fromhex(key) for key in chunk], None):
                found[key.hex()] = read_by_present_reader(unpacked(key.hex(), body))
        return found


def answer_row(record: Record) -> tuple[Any, ...]:
    """Return what is kept of a record beside its body, in the order of the columns."""
    answer = record.answer
    return (
        bytes.fromhex(record.request_id),
        answer.model,
        bytes.fromhex(record.prompt_sha256),
        answer.error_kind,
        answer.is_final,
        answer.finish_reason,
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
        answer.latency_s,
        answer.created_ms,
    )


def summarized(ask: Callable[[str], list[Any]]) -> LedgerSummary:
    """Count with queries that every database understands; ``{good}`` and ``{bad}`` are completed by ``ask``."""
    ((answers, prompts, completions, mean, latency),) = ask(
        "SELECT count(*), sum(prompt_tokens), sum(completion_tokens), avg(completion_tokens), avg(latency_s) {good}"
    )
    ((errors,),) = ask("SELECT count(*) {bad}")
    ((counted,),) = ask("SELECT count(completion_tokens) {good}")
    place = int(0.95 * max(counted - 1, 0))
    tail = ask(
        f"SELECT completion_tokens {{good}} AND completion_tokens IS NOT NULL ORDER BY completion_tokens LIMIT 1 OFFSET {place}"
    )
    models = ask("SELECT DISTINCT model {all} ORDER BY model")
    return LedgerSummary(
        answers=answers,
        errors=errors,
        prompt_tokens=int(prompts or 0),
        completion_tokens=int(completions or 0),
        mean_completion_tokens=None if mean is None else float(mean),
        p95_completion_tokens=tail[0][0] if tail else None,
        mean_latency_s=latency,
        models=tuple(name for (name,) in models),
    )


def batched(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most ``size`` values."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk
