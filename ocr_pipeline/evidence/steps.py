"""The steps of this room that write rows: what each reasoning does, by rules, and by a model for some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from ocr_pipeline import evidence
from ocr_pipeline.asking import Asking
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine.services import ENGINE
from ocr_pipeline.evidence.pattern_labels import LabelConfig, LabelVerdict, agreement_of, label_patterns
from ocr_pipeline.evidence.patterns import KEPT, find_patterns
from ocr_pipeline.steps import LEDGER, Job, Read, Step
from ocr_pipeline.store import rows_of
from ocr_pipeline.tables import PATTERN_LABELS, REASONING_PATTERNS, RESPONSES, SAMPLES
from ocr_pipeline.teacher.services import SERVER

__all__ = ["FIND_PATTERNS", "LABEL_PATTERNS"]

TEXTS_READ: Final = (
    Read(SAMPLES, ("sample_id", "problem_id", "language", "reasoning_span", "verdict")),
    Read(RESPONSES, ("request_id", "text")),
)


def _find_patterns(job: Job) -> StageCounts:
    earlier, samples, responses = (job.read(table) for table in (REASONING_PATTERNS, SAMPLES, RESPONSES))
    columns = ["request_id", "text"]
    return find_patterns(
        samples.batches(["sample_id", "reasoning_span"]),
        responses.pieces(columns) if samples.follow(responses) else responses.batches(columns),
        engine=job.use(ENGINE),
        writer=job.writer(REASONING_PATTERNS),
        earlier=earlier.batches(list(KEPT)) if earlier.made_by(evidence.VERSION) else (),
    )


def _label_patterns(job: Job) -> StageCounts:
    name = "-".join(["pattern-labels", *job.partition.values()])
    return label_patterns(
        job.read(SAMPLES).batches(["sample_id", "reasoning_span"]),
        job.read(RESPONSES).batches(["request_id", "text"]),
        config=job.options(LabelConfig),
        asking=job.options(Asking),
        server=job.use(SERVER),
        ledger=job.folder(LEDGER) / f"{name}.sqlite",
        writer=job.writer(PATTERN_LABELS),
        progress=job.progress,
    )


def _shows_agreement(job: Job) -> Mapping[str, pa.Table]:
    batches = job.read(PATTERN_LABELS).batches(["rule", "first", "second", "verdict"])
    return {"agreement": agreement_of(rows_of(batches))}


FIND_PATTERNS: Final = Step(
    name="reasoning_patterns",
    group="5_samples",
    version=evidence.VERSION,
    reads=TEXTS_READ,
    writes=(REASONING_PATTERNS,),
    uses=(ENGINE,),
    partition_by=("dataset", "language"),
    unit="samples",
    run=_find_patterns,
)
LABEL_PATTERNS: Final = Step(
    name="pattern_labels",
    group="5_samples",
    version=evidence.VERSION,
    reads=TEXTS_READ,
    writes=(PATTERN_LABELS,),
    options=(LabelConfig,),
    uses=(SERVER,),
    folders=(LEDGER,),
    partition_by=("dataset", "language"),
    kinds=("vllm",),
    pool="teacher",
    unit="answers",
    asks=Asking,
    by_hand=True,
    repeat_for=frozenset({LabelVerdict.TEACHER_ERROR.value}),
    shows=_shows_agreement,
    run=_label_patterns,
)
