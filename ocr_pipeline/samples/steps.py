"""The steps of this room: responses come apart, and judged samples are selected."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import partial
from typing import Final

from ocr_pipeline import samples
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.engine.services import ENGINE
from ocr_pipeline.samples.named import NamedSelection
from ocr_pipeline.samples.options import SampleConfig, SelectionConfig
from ocr_pipeline.samples.selection import (
    COMPILES,
    OUTCOME_COLUMNS,
    PROBLEM_COLUMNS,
    SAMPLE_COLUMNS,
    WANTED_OF_RESPONSES,
    WANTED_OF_SAMPLES,
    select,
)
from ocr_pipeline.samples.step import READ_COLUMNS, separate
from ocr_pipeline.steps import Job, Read, Service, Step
from ocr_pipeline.tables import CLEAN_PROBLEMS, EXECUTIONS, RESPONSES, SAMPLES, SFT_DATASET, Table

__all__ = ["SELECT", "SEPARATE", "named_selection"]

BY_DATASET_AND_LANGUAGE: Final = ("dataset", "language")
REDISTRIBUTABLE: Final[Service[AbstractSet[str]]] = Service(
    "redistributable", (), "ocr_pipeline.sources:open_redistributable"
)
"""Data sets whose statements may be handed on; the room of the sources knows."""


def _separate(job: Job) -> StageCounts:
    return separate(
        job.read(RESPONSES).pieces(READ_COLUMNS),
        config=job.options(SampleConfig),
        engine=job.use(ENGINE),
        writer=job.writer(SAMPLES),
        progress=job.progress,
    )


def _select(job: Job, table: Table = SFT_DATASET, options: type[SelectionConfig] = SelectionConfig) -> StageCounts:
    executions, config = job.read(EXECUTIONS), job.options(options)
    allowed = config.redistributable
    return select(
        partial(job.read(SAMPLES).batches, sorted({*SAMPLE_COLUMNS, COMPILES, *WANTED_OF_SAMPLES})),
        partial(job.read(RESPONSES).batches, WANTED_OF_RESPONSES),
        partial(job.read(CLEAN_PROBLEMS).batches, PROBLEM_COLUMNS),
        partial(executions.batches, OUTCOME_COLUMNS) if executions.exist else None,
        config=config,
        redistributable=job.use(REDISTRIBUTABLE) if allowed is None else frozenset(allowed),
        writer=job.writer(table),
        progress=job.progress,
        models=lambda: job.read(RESPONSES).batches(["request_id", "model"]),
    )


SEPARATE: Final = Step(
    name="samples",
    group="5_samples",
    version=samples.VERSION,
    reads=(Read(RESPONSES, ("request_id", "problem_id", "language", "text")),),
    writes=(SAMPLES,),
    options=(SampleConfig,),
    uses=(ENGINE,),
    partition_by=BY_DATASET_AND_LANGUAGE,
    kinds=("treesitter",),
    unit="responses",
    run=_separate,
)
SELECT: Final = Step(
    name="sft_dataset",
    group="6_dataset",
    version=samples.VERSION,
    reads=(
        Read(SAMPLES, ("sample_id", "problem_id", "language", "reasoning_span", "answer_span", "code", "verdict")),
        Read(RESPONSES, ("request_id", "text")),
        Read(CLEAN_PROBLEMS, ("problem_id", "statement")),
        Read(EXECUTIONS, ("sample_id", "verdict", "pass_rate"), is_optional=True),
    ),
    writes=(SFT_DATASET,),
    options=(SelectionConfig,),
    uses=(REDISTRIBUTABLE,),
    partition_by=BY_DATASET_AND_LANGUAGE,
    unit="samples",
    run=_select,
)


def named_selection(selection: NamedSelection) -> Step:
    """Return the step that makes a selection with a name: as ``sft_dataset``, with its own table and defaults."""
    return replace(
        SELECT,
        name=selection.table.name,
        writes=(selection.table,),
        options=(selection.options,),
        run=partial(_select, table=selection.table, options=selection.options),
    )
