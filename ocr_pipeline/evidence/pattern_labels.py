"""A model labels the sentences of some reasonings, twice: what the rules are held against, and how far it agrees itself.

The second labelling names the moves in reverse order, or comes from another model: a label that depends on either is
worth nothing. Where both agree, the label is taken for the truth that the rules have to meet.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.answers import split_thought
from ocr_pipeline.asking import Asking
from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import KEPT, StageCounts, cohen_kappa, count_verdicts
from ocr_pipeline.evidence.patterns import LABELLED, Pattern, label_sentence, reasoning_spans, sentences_of
from ocr_pipeline.options import Options, option
from ocr_pipeline.prompts import Prompt
from ocr_pipeline.store import TableWriter
from ocr_pipeline.tables import PATTERN_LABELS
from ocr_pipeline.teacher.ask import Ask, Reply
from ocr_pipeline.teacher.ask import ask as ask_teacher
from ocr_pipeline.teacher.request import Message, Request
from ocr_pipeline.teacher.servers import Server
from ocr_pipeline.teacher.session import Totals

__all__ = ["AGREEMENT", "LabelConfig", "LabelVerdict", "agreement_of", "label_patterns", "read_labels"]

MEANINGS: Final[Mapping[Pattern, str]] = {
    Pattern.BACKTRACKING: "gives up what was said or tried before",
    Pattern.VERIFICATION: "sets out to check a result, or says that a check was passed",
    Pattern.SIMPLER_PROBLEM: "looks at a smaller or special case first",
    Pattern.NEW_APPROACH: "proposes another way to solve the problem",
    Pattern.WORKED_EXAMPLE: "follows concrete input, step by step",
    Pattern.PROBLEM_REPHRASING: "says again what is asked or given",
    Pattern.SUBGOAL_SETUP: "names the next step to reach",
    Pattern.SELF_EVALUATION: "doubts or trusts its own thought",
    Pattern.OTHER: "none of these: it computes, concludes, or tells about the program",
}
LINE: Final = re.compile(r"[^\w\n]*(\d{1,6})[^\w\n]+([A-Za-z]+(?:[ _-][A-Za-z]+)*)[^\w\n]*")
SHOWN_CHARACTERS: Final = 1_000
"""Of one sentence: an enumeration of numbers may be pages long."""
BATCH_ROWS: Final = 4_096
AGREEMENT: Final = pa.schema(
    [
        ("label", pa.string()),
        ("sentences", pa.int64()),
        ("by_rule", pa.int64()),
        ("by_both", pa.int64()),
        ("precision", pa.float64()),
        ("recall", pa.float64()),
        ("kappa", pa.float64()),
    ]
)
"""Of the rules, where both labellings of the model agree; two rows more hold Cohen's kappa."""


class LabelConfig(Options):
    """Which sentences are labelled, and by whom."""

    traces: int = option(
        25, "Reasonings of each partition, chosen by the hash of their id, so that more of them keep the first", ge=1
    )
    sentences: int = option(200, "The first so many sentences of a reasoning", ge=1)
    sentences_per_request: int = option(40, "Sentences in one request", ge=1)
    second_model: str | None = option(
        None, "Model of the second labelling; none: the same, with the moves in reverse order"
    )
    label_max_tokens: int = option(4_096, "Longest answer", unit="tokens", ge=1)

    @property
    def settings(self) -> dict[str, Any]:
        """What affects the labels: the options, the words of the prompt, and what the moves mean."""
        asked = hashlib.sha256((_prompt().template + _moves(tuple(MEANINGS))).encode()).hexdigest()
        return super().settings | {"prompt_sha256": {"label": asked}}


class LabelVerdict(StrEnum):
    """What became of a sentence."""

    KEPT = KEPT
    DIFFERS = "differs"
    """The two labellings give different moves."""
    NO_LABEL = "no_label"
    """An answer lacks the sentence, names a move that does not exist, or names two."""
    TRUNCATED = "truncated"
    TEACHER_ERROR = "teacher_error"


@dataclass(slots=True)
class _Chunk:
    """Some sentences of a reasoning, and what each labelling says of them."""

    sample_id: str
    first: int
    sentences: Sequence[str]
    labels: list[Mapping[int, Pattern]] = field(default_factory=list)
    failures: list[LabelVerdict] = field(default_factory=list)


def label_patterns(  # noqa: PLR0913 - a step with a teacher needs all of it
    samples: Iterable[pa.RecordBatch],
    responses: Iterable[pa.RecordBatch],
    *,
    config: LabelConfig,
    asking: Asking,
    server: Server,
    ledger: Path,
    writer: TableWriter,
    progress: Progress = SILENT,
    ask: Ask = ask_teacher,
) -> StageCounts:
    """Write ``pattern_labels`` of one partition, sorted by sample: every chosen sentence has a row and a verdict.

    The chosen reasonings are held in memory.

    Parameters
    ----------
    samples, responses
        ``sample_id`` and ``reasoning_span``; ``request_id`` and ``text``.
    ledger
        File of the paid answers.

    Returns
    -------
    StageCounts
        Of the chosen sentences; kept are those on which both labellings agree.

    Raises
    ------
    TeacherError, StoreError, BudgetError
        As the teacher's door raises them.
    """
    spans, _ = reasoning_spans(samples)
    chosen = heapq.nsmallest(config.traces, spans, key=lambda name: hashlib.sha256(name.encode()).digest())
    texts = _texts(responses, {name: spans[name] for name in chosen})
    chunks = [chunk for name in sorted(texts) for chunk in _chunks(name, texts[name], config)]
    other = asking if config.second_model is None else asking.replaced(model=config.second_model, revision=None)
    moves = tuple(MEANINGS)
    orders = moves, moves[::-1] if other.model == asking.model else moves  # the same request twice is one answer
    totals: list[Totals] = []
    for which, order in zip((asking, other), orders, strict=True):
        requests = (_request(chunk, order, config) for chunk in chunks)
        replies = ask(requests, server=server, ledger=ledger, config=which, progress=progress, on_totals=totals.append)
        for chunk, reply in zip(chunks, replies if chunks else (), strict=True):
            failure = _failure(reply)
            chunk.labels.append({} if failure else read_labels(split_thought(reply.text).answer or ""))
            chunk.failures += [failure] if failure else []
    rows = [row for chunk in chunks for row in _rows(chunk)]
    for start in range(0, len(rows), BATCH_ROWS):
        writer.write(pa.RecordBatch.from_pylist(rows[start : start + BATCH_ROWS], schema=PATTERN_LABELS.schema))
    notes = {"traces": len(texts), "requests": 2 * len(chunks), "asked": sum(each.done for each in totals)}
    return count_verdicts((row["verdict"] for row in rows), notes=notes).require_conserved(PATTERN_LABELS.name)


def read_labels(answer: str) -> dict[int, Pattern]:
    """Read lines such as ``3: verification``; a number that is given two moves, or a move that is none, is left out."""
    found: dict[int, set[str]] = {}
    for match in filter(None, map(LINE.fullmatch, answer.splitlines())):
        found.setdefault(int(match[1]), set()).add(re.sub(r"[ -]", "_", match[2].lower()))
    known = {pattern.value for pattern in MEANINGS}
    return {number: Pattern(next(iter(names))) for number, names in found.items() if len(names) == 1 and names <= known}


def agreement_of(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return how well the rules find each move where both labellings agree, and the kappa of both, as ``AGREEMENT``."""
    labelled = [row for row in rows if row["first"] is not None and row["second"] is not None]
    agreed = [row for row in labelled if row["verdict"] == LabelVerdict.KEPT]
    truth, rules, both = (
        Counter(row["first"] for row in agreed),
        Counter(row["rule"] for row in agreed),
        Counter(row["rule"] for row in agreed if row["rule"] == row["first"]),
    )
    table = [
        {
            "label": pattern.value,
            "sentences": truth[pattern],
            "by_rule": rules[pattern],
            "by_both": both[pattern],
            "precision": both[pattern] / rules[pattern] if rules[pattern] else None,
            "recall": both[pattern] / truth[pattern] if truth[pattern] else None,
        }
        for pattern in (*LABELLED, Pattern.SIMPLER_PROBLEM, Pattern.OTHER)
    ]
    for name, pairs in (
        ("both labellings", [(row["first"], row["second"]) for row in labelled]),
        ("rules and labels", [(row["rule"], row["first"]) for row in agreed]),
    ):
        table.append({"label": name, "sentences": len(pairs), "kappa": cohen_kappa(pairs)})
    return pa.Table.from_pylist(table, AGREEMENT)


def _prompt() -> Prompt:
    return Prompt.load("ocr_pipeline.evidence", "label")


def _moves(order: Sequence[Pattern]) -> str:
    return "\n".join(f"{pattern.value}: {MEANINGS[pattern]}" for pattern in order)


def _texts(responses: Iterable[pa.RecordBatch], spans: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    return {
        name: batch.column("text")[row].as_py().encode()[slice(*spans[name])].decode(errors="replace")
        for batch in responses
        for row, name in enumerate(batch.column("request_id").to_pylist())
        if name in spans
    }


def _chunks(sample_id: str, reasoning: str, config: LabelConfig) -> Iterator[_Chunk]:
    sentences = sentences_of(reasoning)[: config.sentences]
    for first in range(0, len(sentences), config.sentences_per_request):
        yield _Chunk(sample_id, first, sentences[first : first + config.sentences_per_request])


def _request(chunk: _Chunk, order: Sequence[Pattern], config: LabelConfig) -> Request:
    shown = "\n".join(f"{number}: {one[:SHOWN_CHARACTERS]}" for number, one in enumerate(chunk.sentences, 1))
    text = _prompt().fill(moves=_moves(order), sentences=shown)
    params = {"temperature": 0.0, "max_tokens": config.label_max_tokens, "seed": 0}
    return Request((Message("user", text),), params, subject={"sample_id": chunk.sample_id, "first": chunk.first})


def _failure(reply: Reply) -> LabelVerdict | None:
    if reply.error is not None:
        return LabelVerdict.TEACHER_ERROR
    return LabelVerdict.TRUNCATED if reply.finish_reason == "length" else None


def _rows(chunk: _Chunk) -> Iterator[dict[str, Any]]:
    for number, sentence in enumerate(chunk.sentences, 1):
        first, second = (labels.get(number) for labels in chunk.labels)
        verdict = LabelVerdict.KEPT if first == second else LabelVerdict.DIFFERS
        if first is None or second is None:
            verdict = chunk.failures[0] if chunk.failures else LabelVerdict.NO_LABEL
        yield {
            "sample_id": chunk.sample_id,
            "segment": chunk.first + number - 1,
            "sentence": sentence,
            "rule": label_sentence(sentence),
            "first": first,
            "second": second,
            "verdict": verdict,
        }
