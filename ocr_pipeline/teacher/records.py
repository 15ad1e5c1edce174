"""One record of the ledger, and its forms: a line of JSON for people, a compressed body for a database.

Every kind of ledger keeps the same body: the record's JSON, a newline, and the reply byte for byte, in one zstd frame.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
import zstandard

from ocr_pipeline.teacher.reply import READER, Answer, ErrorKind, Usage, read_again

__all__ = ["LedgerSummary", "Packer", "Record", "read_by_present_reader", "record_from", "record_line", "unpacked"]

COMPRESSION_LEVEL: Final = 1  # measured: 85 µs and 0.4 of the disk per 33 kB answer
FIRST_READER: Final = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the ledger: what was asked, for whom, and what came."""

    request_id: str
    prompt_sha256: str
    params: str
    """Canonical JSON of every sampling field."""
    subject: dict[str, str | int]
    answer: Answer


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """What a ledger holds."""

    answers: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    mean_completion_tokens: float | None = None
    p95_completion_tokens: int | None = None
    mean_latency_s: float | None = None
    models: tuple[str, ...] = ()


class Packer:
    """Makes bodies; each thread has a compressor of its own."""

    def __init__(self) -> None:
        self._compressors = threading.local()

    def __call__(self, record: Record) -> bytes:
        """Return the body of a record."""
        compressor = getattr(self._compressors, "value", None)
        if compressor is None:
            compressor = self._compressors.value = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL)
        return compressor.compress(orjson.dumps(_body(record)) + b"\n" + record.answer.raw)


def record_line(record: Record) -> bytes:
    """Return the record as one line of JSON."""
    return orjson.dumps({"request_id": record.request_id} | _body(record), option=orjson.OPT_APPEND_NEWLINE)


def _body(record: Record) -> dict[str, Any]:
    answer = record.answer
    return {
        "prompt_sha256": record.prompt_sha256,
        "params": record.params,
        "subject": record.subject,
        "text": answer.text,
        "model": answer.model,
        "created_ms": answer.created_ms,
        "latency_s": answer.latency_s,
        "attempts": answer.attempts,
        "finish_reason": answer.finish_reason,
        "stop_reason": answer.stop_reason,
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "error_kind": answer.error_kind,
        "error_detail": answer.error_detail,
        "answer_start": answer.answer_start,
        "context_tokens": answer.context_tokens,
        "repairs": answer.repairs,
        "reader": answer.reader,
    }


def unpacked(request_id: str, body: bytes) -> Record:
    """Read a body."""
    told, _, raw = zstandard.decompress(body).partition(b"\n")  # JSON of ours holds no newline
    return record_from(request_id, orjson.loads(told), raw)


def read_by_present_reader(record: Record) -> Record:
    """Return an answer that an earlier reader read as the present one reads its kept reply."""
    answer = record.answer
    if answer.error_kind is not None or answer.reader >= READER:
        return record
    return replace(record, answer=read_again(answer) or answer)


def record_from(request_id: str, raw: dict[str, Any], reply: bytes = b"") -> Record:
    """Read what :func:`record_line` wrote, with the reply that belongs to it."""
    answer = Answer(
        text=raw["text"],
        model=raw["model"],
        created_ms=raw["created_ms"],
        latency_s=raw["latency_s"],
        attempts=raw["attempts"],
        finish_reason=raw["finish_reason"],
        stop_reason=raw["stop_reason"],
        usage=Usage(raw["prompt_tokens"], raw["completion_tokens"]),
        error_kind=ErrorKind(raw["error_kind"]) if raw["error_kind"] else None,
        error_detail=raw["error_detail"],
        answer_start=raw.get("answer_start"),
        context_tokens=raw.get("context_tokens"),
        repairs=tuple(raw.get("repairs", ())),
        reader=raw.get("reader", FIRST_READER),
        raw=reply,
    )
    return Record(request_id, raw["prompt_sha256"], raw["params"], raw["subject"], answer)
