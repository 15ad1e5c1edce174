"""Group samples: reasoning apart from code, verdicts, executions, patterns, and the data set that readers use."""

from collections.abc import Collection, Iterator
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from assets.materialize import materialize_table, watched
from assets.metadata import table_asset
from assets.partitions import BY_DATASET, BY_DATASET_AND_LANGUAGE
from assets.responses import clean_rows
from ocr_pipeline import evidence, judge
from ocr_pipeline import samples as step
from ocr_pipeline.building import Build, Writers
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.sources import SOURCES
from ocr_pipeline.store import InputRef, Store
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    EXECUTIONS,
    REASONING_PATTERNS,
    RESPONSES,
    SAMPLES,
    SFT_DATASET,
    SOLUTIONS,
    TEST_TRUST,
    TESTS,
    Table,
)
from resources import EngineResource, SandboxResource, StoreResource

__all__ = [
    "SelectionConfig",
    "SeparationConfig",
    "executions",
    "reasoning_patterns",
    "samples",
    "sft_dataset",
    "test_trust",
]

GROUP = "5_samples"
Partition = dict[str, str]


class SeparationConfig(dg.Config):
    """How responses come apart."""

    fence_policy: str = "last"
    think_tags: list[str] = Field(default_factory=list)
    ask_compilers: bool = True
    check_compiles: bool = True


@table_asset(
    SAMPLES,
    group=GROUP,
    code_version=step.VERSION,
    upstream=(RESPONSES,),
    partitions=BY_DATASET_AND_LANGUAGE,
    kinds=("treesitter",),
)
def samples(
    context: dg.AssetExecutionContext, config: SeparationConfig, store: StoreResource, engine: EngineResource
) -> dg.MaterializeResult[Any]:
    """Take every response apart and give it a verdict."""
    opened = store.open()

    def plan(partition: Partition) -> Build:
        settings = step.SampleConfig(**config.model_dump())
        return Build(
            tables=(SAMPLES,),
            partition=partition,
            config=settings.settings,
            code_version=step.VERSION,
            inputs=[opened.reference(RESPONSES, **partition)],
            run=lambda writers: step.separate(
                opened.open(RESPONSES, **partition).to_batches(),
                config=settings,
                engine=engine.open(),
                writer=writers[SAMPLES.name],
                progress=watched(context, f"samples {'|'.join(partition.values())}", "responses"),
            ),
        )

    return materialize_table(context, opened, plan)


@table_asset(
    TEST_TRUST,
    group=GROUP,
    code_version=judge.VERSION,
    upstream=(CLEAN_PROBLEMS, TESTS, SOLUTIONS),
    partitions=BY_DATASET,
    pool="sandbox",
)
def test_trust(
    context: dg.AssetExecutionContext, store: StoreResource, sandbox: SandboxResource, engine: EngineResource
) -> dg.MaterializeResult[Any]:
    """Ask correct reference solutions about the tests before samples are judged by them."""
    opened = store.open()
    config = sandbox.config()

    def plan(partition: Partition) -> Build:
        return Build(
            tables=(TEST_TRUST,),
            partition=partition,
            config=config.settings,
            code_version=judge.VERSION,
            inputs=[
                opened.reference(CLEAN_PROBLEMS),
                opened.reference(TESTS, **partition),
                opened.reference(SOLUTIONS, **partition),
            ],
            run=lambda writers: judge.check_tests(
                lambda: clean_rows(opened, partition["dataset"]),
                lambda ids: _rows_of(opened, TESTS, ids, partition),
                lambda ids: _rows_of(opened, SOLUTIONS, ids, partition),
                config=config,
                writer=writers[TEST_TRUST.name],
                checkpoint=store.side_folder("judged"),
                progress=watched(context, f"test_trust {partition['dataset']}", "solutions"),
                engine=engine.cluster(),
            ),
        )

    return materialize_table(context, opened, plan)


def _rows_of(store: Store, table: Table, ids: Collection[str], partition: Partition) -> Iterator[pa.RecordBatch]:
    rows = store.open(table, dataset=partition["dataset"])
    return iter(rows.to_batches(filter=pc.field("problem_id").isin(list(ids))))


@table_asset(
    EXECUTIONS,
    group=GROUP,
    code_version=judge.VERSION,
    upstream=(SAMPLES, CLEAN_PROBLEMS, TESTS, TEST_TRUST),
    partitions=BY_DATASET_AND_LANGUAGE,
    pool="sandbox",
)
def executions(
    context: dg.AssetExecutionContext, store: StoreResource, sandbox: SandboxResource, engine: EngineResource
) -> dg.MaterializeResult[Any]:
    """Run the programs of the kept samples against the tests of their problems that can be trusted, in a sandbox."""
    opened = store.open()
    config = sandbox.config()

    def plan(partition: Partition) -> Build:
        tests = {"dataset": partition["dataset"]}
        checked = opened.manifest(TEST_TRUST, **tests) is not None

        def run(writers: Writers) -> StageCounts:
            return judge.judge(
                clean_rows(opened, partition["dataset"]),
                lambda ids: _rows_of(opened, TESTS, ids, partition),
                opened.open(SAMPLES, **partition).to_batches(),
                config=config,
                writer=writers[EXECUTIONS.name],
                trust=opened.open(TEST_TRUST, **tests).to_batches() if checked else (),
                checkpoint=store.side_folder("judged"),
                progress=watched(context, f"executions {'|'.join(partition.values())}", "samples"),
                engine=engine.cluster(),
            )

        return Build(
            tables=(EXECUTIONS,),
            partition=partition,
            config=config.settings,
            code_version=judge.VERSION,
            inputs=[
                opened.reference(SAMPLES, **partition),
                opened.reference(CLEAN_PROBLEMS),
                opened.reference(TESTS, **tests),
                *([opened.reference(TEST_TRUST, **tests)] if checked else []),
            ],
            run=run,
        )

    return materialize_table(context, opened, plan)


@table_asset(
    REASONING_PATTERNS,
    group=GROUP,
    code_version=evidence.VERSION,
    upstream=(SAMPLES, RESPONSES),
    partitions=BY_DATASET_AND_LANGUAGE,
)
def reasoning_patterns(
    context: dg.AssetExecutionContext, store: StoreResource, engine: EngineResource
) -> dg.MaterializeResult[Any]:
    """Count the moves that each reasoning makes."""
    opened = store.open()

    def plan(partition: Partition) -> Build:
        return Build(
            tables=(REASONING_PATTERNS,),
            partition=partition,
            config={},
            code_version=evidence.VERSION,
            inputs=[opened.reference(SAMPLES, **partition), opened.reference(RESPONSES, **partition)],
            run=lambda writers: evidence.find_patterns(
                opened.open(SAMPLES, **partition).to_batches(),
                opened.open(RESPONSES, **partition).to_batches(),
                engine=engine.open(),
                writer=writers[REASONING_PATTERNS.name],
            ),
        )

    return materialize_table(context, opened, plan)


class SelectionConfig(dg.Config):
    """Which samples the data set holds; changing it judges and generates nothing again."""

    execution: str = "all"
    pass_rate_min: float | None = None
    pass_rate_max: float | None = None
    drop_reasoning_with_code: bool = True
    drop_duplicates: bool = False
    drop_loops: bool = True
    drop_not_compiling: bool = True
    repeated_share_max: float | None = None
    samples_per_problem_max: int | None = None
    text_policy: str = "placeholder"


@table_asset(
    SFT_DATASET,
    group="6_dataset",
    code_version=step.VERSION,
    upstream=(SAMPLES, RESPONSES, CLEAN_PROBLEMS, EXECUTIONS),
    partitions=BY_DATASET_AND_LANGUAGE,
)
def sft_dataset(
    context: dg.AssetExecutionContext, config: SelectionConfig, store: StoreResource
) -> dg.MaterializeResult[Any]:
    """Select the samples that readers train on, in the columns of the released data set."""
    opened = store.open()

    def plan(partition: Partition) -> Build:
        settings = step.SelectionConfig(**config.model_dump())
        judged = opened.manifest(EXECUTIONS, **partition) is not None
        return Build(
            tables=(SFT_DATASET,),
            partition=partition,
            config=settings.settings,
            code_version=step.VERSION,
            inputs=_inputs(opened, partition, judged=judged),
            run=lambda writers: step.select(
                lambda: opened.open(SAMPLES, **partition).to_batches(),
                lambda: opened.open(RESPONSES, **partition).to_batches(),
                lambda: opened.open(CLEAN_PROBLEMS).to_batches(),
                (lambda: opened.open(EXECUTIONS, **partition).to_batches()) if judged else None,
                config=settings,
                redistributable={name for name, source in SOURCES.items() if source.may_redistribute},
                writer=writers[SFT_DATASET.name],
                progress=watched(context, f"sft_dataset {'|'.join(partition.values())}", "samples"),
            ),
        )

    return materialize_table(context, opened, plan)


def _inputs(store: Store, partition: Partition, *, judged: bool) -> list[InputRef]:
    tables = (SAMPLES, RESPONSES, EXECUTIONS) if judged else (SAMPLES, RESPONSES)
    return [*(store.reference(table, **partition) for table in tables), store.reference(CLEAN_PROBLEMS)]
