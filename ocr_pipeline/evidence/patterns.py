"""Which moves a reasoning makes: a fixed taxonomy, found sentence by sentence by rules, with the entropy of the mix.

The taxonomy follows what the field names: the moves that OpenCodeReasoning and Xolver compare (rephrasing,
new approach, self-evaluation, verification, backtracking, sub-goals, a simpler problem first), and the worked
example, without which traces about code are mostly unlabelled. A sentence has the most specific move whose
cue it holds, or none. The rules read English and know nothing of meaning: they compare groups of traces, they do not
judge one. An unlabelled trace has no entropy, which is not an entropy of 0.

The result stands beside the samples, keyed by ``sample_id``; the text is read through the samples' byte spans.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.answers import without_fences
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine import Engine
from ocr_pipeline.errors import InputError
from ocr_pipeline.store import RowGroup, RowStream, TableWriter, finely
from ocr_pipeline.tables import REASONING_PATTERNS

__all__ = [
    "KEPT",
    "Pattern",
    "PatternCounts",
    "count_patterns",
    "entropy_bits",
    "find_patterns",
    "label_sentence",
    "reasoning_spans",
    "sentences_of",
]


class Pattern(StrEnum):
    """A move of a reasoning, the most specific first; a sentence that shows several has the first of them."""

    BACKTRACKING = "backtracking"
    """Gives up what was just said."""
    VERIFICATION = "verification"
    """Sets out to check a result."""
    SIMPLER_PROBLEM = "simpler_problem"
    """Looks at a smaller or special case first; no rule finds it, a model may."""
    NEW_APPROACH = "new_approach"
    """Proposes another way."""
    WORKED_EXAMPLE = "worked_example"
    """Follows concrete input."""
    PROBLEM_REPHRASING = "problem_rephrasing"
    """Says again what is asked or given."""
    SUBGOAL_SETUP = "subgoal_setup"
    """Names the next step to reach."""
    SELF_EVALUATION = "self_evaluation"
    """Doubts or trusts its own thought."""
    OTHER = "other"
    """No cue: a sentence without a label."""


UNRULED: Final = frozenset({Pattern.SIMPLER_PROBLEM, Pattern.OTHER})
LABELLED: Final = tuple(pattern for pattern in Pattern if pattern not in UNRULED)
LARGEST_ENTROPY_BITS: Final = math.log2(len(LABELLED))

WE: Final = r"(?:i|we|you)"
LET: Final = r"(?:let me|let's|let us|i'll|i will|we'll|i should|we should|i can|we can|to)"
CUES: Final[Mapping[Pattern, tuple[str, ...]]] = {
    Pattern.BACKTRACKING: (
        r"(?:wait|hmm|oh|but|actually),? (?:no[,.!]|that's not (?:right|correct|it|relevant|possible)|that's wrong)",
        r"(?:that|this)(?:'s| is| was| seems| would be) (?:not right|not correct|wrong|incorrect|a mistake|too slow)",
        r"(?:that|this) (?:can't be right|cannot be right|doesn't work|does not work|didn't work|won't work|will not work|wouldn't work|doesn't help|does not help|isn't right|isn't correct|fails)",
        r"(?:this|that|which) contradicts\b",
        r"(?:contradiction\.|scratch that|start over|go(?:ing)? back to the|i was wrong|i messed up|i made a mistake)",
    ),
    Pattern.VERIFICATION: (
        rf"{LET} (?:quickly |just |also )?(?:double[- ]?check|cross[- ]?check|re-?check|verify|confirm|validate|check (?:if|whether|this|that|with|the|it|again))\b",
        r"(?:let me|let's|let us) (?:quickly |just |also )?test\b",
        r"(?:double[- ]?checking|cross[- ]?checking|re-?checking|sanity check|verifying)\b",
        r"does (?:this|that|it) (?:work|hold) (?:for|with|when|if)\b",
        r"(?:which|that|this) (?:matches the|agrees with|is consistent with|checks out)\b",
    ),
    Pattern.NEW_APPROACH: (
        r"alternative(?:ly)?\b",
        r"(?:another|a different|a better|a new|a more efficient|an easier|a smarter) (?:possible |slightly )?(?:approach|way|idea|thought|method|strategy|angle|option)\b",
        rf"(?:perhaps|maybe|what if|how about) (?:if )?{WE} (?:can|could|should (?:try|use|consider|start|sort)|try|use|sort|iterate|precompute)\b",
        r"(?:on second thought|think differently|approach this differently)",
        r"let(?:'s| me| us) try (?:a|an|another|to|with|using)\b",
    ),
    Pattern.WORKED_EXAMPLE: (
        rf"{LET} (?:just |also )?(?:go through|walk through|trace|step through|simulate|work through|run through)\b",
        r"(?:in|for|with|take|consider|on) the (?:first|second|third|fourth|sample|given|next|provided) (?:example|sample|test case|testcase|input)\b",
        r"(?:example|sample|test case) ?#?\d",
        r"(?:walking through|tracing through|stepping through|dry run)\b",
        r"(?:for example|for instance|say|suppose|take|consider),? (?:the (?:array|string|list|input)|[a-z]{1,3} ?= ?[\d\[\"(])",
        r"(?:for example|for instance|suppose we have),? [-\d\[\"(]",
    ),
    Pattern.PROBLEM_REPHRASING: (
        r"the (?:problem|question|task|goal|riddle|puzzle|statement) (?:here )?(?:is|says|asks|states|wants|requires|describes|gives|mentions)\b",
        r"in other words\b",
        rf"{WE}(?:'re|'m| are| am| have been)? (?:given (?:a|an|the|two|n)|asked to|told that|supposed to)\b",
        r"(?:read|re-?read|restate|rephrase|parse|look at) (?:the|this) (?:problem|question|statement|task|riddle|puzzle)\b",
        r"(?:according to|based on) the (?:problem|question|statement|constraints)\b",
    ),
    Pattern.SUBGOAL_SETUP: (
        r"^(?:so |but |now )?(?:first|firstly|next|finally|lastly),? (?:i|we|let|compute|read|sort|find|the)\b",
        r"^step (?:\d|one|two|three)",
        rf"{WE} (?:just |only |also |first |then |now )?(?:need|want|have) to (?:find|compute|calculate|determine|figure out|count|decide|know|order|sort|read|build)\b",
        r"(?:let me|let's|let us) (?:start|begin|break|define|denote|set up|set|compute|calculate|find|figure out|outline|list|write)\b",
        r"(?:the (?:plan|steps|approach|key idea|next step) (?:is|are|would)|my (?:plan|approach) is)\b",
        r"break (?:it|this|the \w+) down\b",
    ),
    Pattern.SELF_EVALUATION: (
        r"(?:wait|hmm+|hm)\b",
        r"i(?:'m| am) (?:not |pretty |fairly |quite |still )?(?:sure|confident|certain|confused|stuck|missing|overthinking)",
        r"i think (?!i should|we should|i'll|i can|i need|for )",
        r"i (?:guess|believe|wonder|suppose|doubt|don't know)\b",
        r"(?:is|was) (?:that|this|it) (?:right|correct|true|possible|the case|enough)\b",
        r"(?:makes sense|make sense|seems|sounds|looks) (?:right|correct|good|plausible|reasonable|okay|ok|to work|strange|odd|off)\b",
        r"(?:that|this|it) makes sense\b",
        r"(?:not sure|did i|have i) ",
    ),
}
CUE: Final = re.compile(
    r"\b(?:" + "|".join(f"(?P<{pattern.value}>{'|'.join(CUES[pattern])})" for pattern in LABELLED) + ")"
)
LOOKAHEAD: Final = re.compile(r"\(\?![^)]*\)")
ANY_CUE: Final = (
    LOOKAHEAD.sub("", r"\b(?:" + "|".join(itertools.chain(*CUES.values())) + ")")
    .replace(r"\d", r"\p{Nd}")
    .replace(r"\w", r"[\pL\pN_]")
)
"""In RE2, which knows no lookahead and only ASCII words: finds whatever ``CUE`` finds, and a little more."""
RANK: Final = {pattern.value: rank for rank, pattern in enumerate(LABELLED)}
SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|\n+")
WORD: Final = re.compile(r"[a-z]{2}")
BATCH_BYTES: Final = 16 << 20
PIECE_ROWS: Final = 256
REMEMBERED_ROWS: Final = 16_384
SPAN_COLUMNS: Final = ("sample_id", "reasoning_span")
KEPT: Final = ("sample_id", "reasoning_sha256", "counts")
"""What is taken over from an earlier result: the rest follows from it."""


@dataclass(frozen=True, slots=True)
class PatternCounts:
    """How often each pattern occurs in one reasoning, in sentences."""

    counts: Mapping[Pattern, int]

    @property
    def n_segments(self) -> int:
        """Sentences that have a pattern; ``other`` is none."""
        return sum(self.counts.get(pattern, 0) for pattern in LABELLED)

    @property
    def entropy_bits(self) -> float | None:
        """Shannon entropy over the labelled sentences; ``None`` when there is none."""
        return entropy_bits([self.counts.get(pattern, 0) for pattern in LABELLED])

    @property
    def entropy_normalized(self) -> float | None:
        """Entropy as a share of the largest that the taxonomy allows."""
        bits = self.entropy_bits
        return None if bits is None else bits / LARGEST_ENTROPY_BITS


def entropy_bits(counts: Iterable[int]) -> float | None:
    """Return ``-Σ p·log2 p``; ``None`` when nothing was counted, which says less than an entropy of 0."""
    seen = [count for count in counts if count]
    total = sum(seen)
    if not total:
        return None
    return max(0.0, math.fsum(-count / total * math.log2(count / total) for count in seen))


def label_sentence(sentence: str) -> Pattern:
    """Return the most specific pattern whose cue the sentence holds."""
    names = {match.lastgroup for match in CUE.finditer(_plain(sentence))}
    return LABELLED[min(RANK[name] for name in names if name)] if names else Pattern.OTHER


def count_patterns(reasoning: str) -> PatternCounts:
    """Label every sentence of a reasoning that holds a word; fenced code is not a sentence."""
    return _count_all([reasoning])[0]


def _count_all(reasonings: Sequence[str]) -> list[PatternCounts]:
    """Label the sentences of all at once: Arrow finds those with a cue, one in six, thirty times as fast as ``CUE``."""
    sentences = [[_plain(one) for one in sentences_of(reasoning)] for reasoning in reasonings]
    has_cue = iter(pc.match_substring_regex(pa.array(itertools.chain(*sentences), pa.string()), ANY_CUE).to_pylist())
    return [
        PatternCounts(Counter(label_sentence(one) if next(has_cue) else Pattern.OTHER for one in own))
        for own in sentences
    ]


def sentences_of(reasoning: str) -> list[str]:
    """Return the sentences that hold a word; fenced code is none."""
    return [one for one in SENTENCE_END.split(without_fences(reasoning)) if WORD.search(one.lower())]


def _plain(text: str) -> str:
    return text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def find_patterns(
    samples: Iterable[pa.RecordBatch],
    responses: Iterable[RowGroup | pa.RecordBatch],
    engine: Engine,
    writer: TableWriter,
    earlier: Iterable[pa.RecordBatch] = (),
) -> StageCounts:
    """Write one row per sample that has a reasoning, in the order of the responses.

    Parameters
    ----------
    samples
        ``sample_id`` and ``reasoning_span``; other columns are not read.
    responses
        ``request_id`` and ``text``. Row groups are those that the samples were made of, row by row; batches may have any
        order, and then all spans are held in memory.
    engine
        Runs the rules over batches.
    writer
        Receives rows of ``reasoning_patterns``.
    earlier
        ``sample_id``, ``reasoning_sha256`` and ``counts`` that the same rules gave before: the reasoning of a sample that
        did not change is not labelled again.

    Returns
    -------
    StageCounts
        Of the samples: dropped are those without reasoning (``no_reasoning``) or whose response is absent
        (``no_response``).

    Raises
    ------
    InputError
        When row groups are not those that the samples were made of.
    """
    tally, written, unlabelled = Counter[str](), 0, 0
    stream = iter(finely(responses, PIECE_ROWS))
    first = list(itertools.islice(stream, 1))
    reasonings = _in_step if first and isinstance(first[0], RowGroup) else _by_id
    for batch in engine.map(
        _label_batch, reasonings(itertools.chain(first, stream), samples, _Remembered(earlier), tally)
    ):
        written += batch.num_rows
        unlabelled += batch.column("entropy_bits").null_count
        writer.write(batch)
    with_reasoning = tally["with_reasoning"]
    dropped = {"no_reasoning": tally["rows"] - with_reasoning, "no_response": with_reasoning - written}
    return StageCounts(
        rows_in=tally["rows"],
        kept=written,
        dropped={reason: rows for reason, rows in dropped.items() if rows},
        notes={"unlabelled": unlabelled},
    ).require_conserved(REASONING_PATTERNS.name)


def reasoning_spans(samples: Iterable[pa.RecordBatch]) -> tuple[dict[str, tuple[int, int]], int]:
    """Return where the reasoning of each sample stands in its response, in bytes, and how many samples there are."""
    spans: dict[str, tuple[int, int]] = {}
    rows = 0
    for batch in samples:
        rows += batch.num_rows
        span = batch.column("reasoning_span")
        starts, ends = (span.field(name).to_pylist() for name in ("start", "end"))
        present = span.is_valid().to_pylist()
        ids = batch.column("sample_id").to_pylist()
        spans.update((ids[row], (starts[row], ends[row])) for row in range(len(ids)) if present[row])
    return spans, rows


class _Remembered:
    """What the same rules gave before, by sample id: a stream in about the order of the samples, of which a part is held.

    What is too far from its place is labelled again.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._stream = RowStream(batches, KEPT)
        self._held: dict[str, tuple[str, Any]] = {}

    def of(self, sample_ids: Sequence[str]) -> list[tuple[str, Any] | None]:
        """Return hash and counts of each sample, where they are known."""
        while self._stream.available() and len(self._held) < REMEMBERED_ROWS + len(sample_ids):
            batch = self._stream.take(REMEMBERED_ROWS)
            ids, hashes, counts = (batch[name].to_pylist() for name in KEPT)
            self._held.update(zip(ids, zip(hashes, counts, strict=True), strict=True))
        found = [self._held.pop(name, None) for name in sample_ids]
        if self._stream.available():  # what was passed by is not coming any more
            for name in list(self._held)[: max(len(self._held) - REMEMBERED_ROWS, 0)]:
                del self._held[name]
        return found


@dataclass(frozen=True, slots=True)
class _Reasonings:
    """Reasonings in a row group: where they stand, and what is known of them."""

    responses: RowGroup
    samples: pa.RecordBatch

    def read(self) -> pa.RecordBatch:
        """Return the reasonings, each with its hash, and with what is known of it in the place of its text."""
        return _cut(self.responses.read(), self.samples)


def _in_step(
    pieces: Iterable[RowGroup | pa.RecordBatch],
    samples: Iterable[pa.RecordBatch],
    remembered: _Remembered,
    tally: Counter[str],
) -> Iterator[_Reasonings]:
    """Yield the reasonings of responses that nobody has read; the samples are made of them, row by row."""
    stream = RowStream(samples, SPAN_COLUMNS)

    def take(rows: int) -> pa.RecordBatch:
        taken = stream.take(rows)
        tally["rows"] += taken.num_rows
        reasoned = taken.filter(pc.is_valid(taken["reasoning_span"]))
        tally["with_reasoning"] += reasoned.num_rows
        return reasoned

    for piece in pieces:
        assert isinstance(piece, RowGroup)  # noqa: S101 - for the type checker: a table is either read or not
        missing, parts = piece.num_rows, []
        while missing and stream.available():
            count = min(missing, stream.available())
            parts.append(take(count))
            missing -= count
        if any(part.num_rows for part in parts):
            reasoned = pa.concat_batches(parts)
            span = reasoned["reasoning_span"]
            yield _Reasonings(piece, _placed(reasoned["sample_id"], span.field("start"), span.field("end"), remembered))
    while stream.available():
        take(stream.available())


def _by_id(
    batches: Iterable[RowGroup | pa.RecordBatch],
    samples: Iterable[pa.RecordBatch],
    remembered: _Remembered,
    tally: Counter[str],
) -> Iterator[pa.RecordBatch]:
    """Yield the reasonings of responses in any order, in bounded batches; all spans are held in memory."""
    spans, tally["rows"] = reasoning_spans(samples)
    tally["with_reasoning"] = len(spans)
    for batch in batches:
        assert isinstance(batch, pa.RecordBatch)  # noqa: S101 - as above
        asked = [row for row, name in enumerate(batch["request_id"].to_pylist()) if name in spans]
        batch = batch.select(["request_id", "text"]).take(pa.array(asked, pa.int64()))  # noqa: PLW2901 - those that are read
        names = batch["request_id"].to_pylist()
        starts, ends = (pa.array([spans[name][end] for name in names], pa.int64()) for end in (0, 1))
        rows = _cut(batch, _placed(pa.array(names, pa.string()), starts, ends, remembered))
        most = max(1, int(BATCH_BYTES * rows.num_rows / max(rows.nbytes, 1)))
        yield from (rows.slice(start, most) for start in range(0, rows.num_rows, most))


def _placed(sample_ids: pa.Array, starts: pa.Array, ends: pa.Array, remembered: _Remembered) -> pa.RecordBatch:
    """Say of each sample where its reasoning stands, and what was known of it."""
    known = remembered.of(sample_ids.to_pylist())
    hashes, counts = ([None if one is None else one[part] for one in known] for part in (0, 1))
    kind = REASONING_PATTERNS.schema.field("counts").type
    columns = [sample_ids, starts, ends, pa.array(hashes, pa.string()), pa.array(counts, kind)]
    return pa.RecordBatch.from_arrays(columns, ["sample_id", "start", "end", "known_sha256", "counts"])


def _cut(responses: pa.RecordBatch, samples: pa.RecordBatch) -> pa.RecordBatch:
    ids, names = responses["request_id"], samples["sample_id"]
    places = pa.array(range(len(names))) if names.equals(ids) else pc.index_in(names, ids)
    if places.null_count:
        message = "reasoning_patterns: samples and responses are not of one build; materialize samples of this partition again"
        raise InputError(message)
    texts = responses["text"].cast(pa.large_binary())
    bounds = zip(places.to_pylist(), samples["start"].to_pylist(), samples["end"].to_pylist(), strict=True)
    reasonings = [texts[place].as_py()[start:end] for place, start, end in bounds]
    hashes = pa.array([hashlib.sha256(text).hexdigest() for text in reasonings], pa.string())
    is_known = pc.fill_null(pc.equal(hashes, samples["known_sha256"]), False)  # noqa: FBT003 - an Arrow value
    return pa.RecordBatch.from_pydict(
        {
            "sample_id": samples["sample_id"],
            "reasoning_sha256": hashes,
            "counts": samples["counts"].take(pc.if_else(is_known, pa.array(range(len(hashes))), None)),
            "text": pc.if_else(is_known, None, pa.array(reasonings, pa.large_binary())),
        }
    )


def _label_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    texts, known = (batch.column(name).to_pylist() for name in ("text", "counts"))
    counted = iter(_count_all([text.decode(errors="replace") for text in texts if text is not None]))
    found = [
        next(counted) if counts is None else PatternCounts({Pattern(name): count for name, count in counts})
        for counts in known
    ]
    rows = {
        "sample_id": batch.column("sample_id"),
        "counts": pa.array(
            [[(pattern.value, one.counts[pattern]) for pattern in Pattern if pattern in one.counts] for one in found],
            REASONING_PATTERNS.schema.field("counts").type,
        ),
        "n_segments": pa.array([one.n_segments for one in found], pa.int32()),
        "entropy_bits": pa.array([one.entropy_bits for one in found], pa.float64()),
        "entropy_normalized": pa.array([one.entropy_normalized for one in found], pa.float64()),
        "reasoning_sha256": batch.column("reasoning_sha256"),
    }
    return pa.RecordBatch.from_pydict(rows)
