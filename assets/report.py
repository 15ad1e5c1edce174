"""Group report: the funnel over all stages and the data card."""

from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from assets.automation import of_report
from assets.materialize import fails_in_one_line
from assets.metadata import OWNER, described, picture
from ocr_pipeline import evidence
from ocr_pipeline.evidence.funnel import stage_totals
from ocr_pipeline.evidence.pattern_groups import VERDICTS, GroupConfig, compare_patterns, pattern_plot
from ocr_pipeline.evidence.release import release as write_release
from ocr_pipeline.markdown import markdown_table
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    EXECUTIONS,
    FUNNEL,
    PATTERN_GROUPS,
    PATTERN_LABELS,
    PLAN_SFT_DATASET,
    REASONING_PATTERNS,
    REJECTED,
    SAMPLES,
    SFT_DATASET,
)
from resources import StoreResource
from resources.launchpad import fields_of

__all__ = ["data_card", "funnel", "pattern_groups", "release"]

GROUP = "9_report"
WEEKLY = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=8))
EVERYTHING = (REJECTED, CLEAN_PROBLEMS, SAMPLES, EXECUTIONS, SFT_DATASET, PLAN_SFT_DATASET)


@dg.asset(
    deps=[table.name for table in EVERYTHING],
    description=FUNNEL.description,
    group_name=GROUP,
    owners=[OWNER],
    kinds={"parquet"},
    metadata=described(FUNNEL, EVERYTHING),
    code_version=evidence.VERSION,
    automation_condition=of_report(),
    freshness_policy=WEEKLY,
)
def funnel(store: StoreResource) -> dg.MaterializeResult[Any]:
    """Account for every row of every stage."""
    opened = store.open()
    with fails_in_one_line():
        table = evidence.build_funnel(opened)
        lost = evidence.unaccounted(opened)
        with opened.writer(FUNNEL, config={}, code_version=evidence.VERSION) as writer:
            writer.write(table)
    rows = [
        (
            name,
            counts.rows_in,
            counts.kept,
            ", ".join(f"{reason} {n:,}" for reason, n in sorted(counts.dropped.items())),
        )
        for name, counts in stage_totals(table).items()
    ]
    shown = dg.MetadataValue.md(markdown_table(["stage", "in", "kept", "dropped"], rows))
    return dg.MaterializeResult(metadata={"dagster/row_count": table.num_rows, "funnel": shown, "unaccounted": lost})


@dg.asset(
    deps=["funnel"],
    group_name=GROUP,
    kinds={"markdown"},
    owners=[OWNER],
    automation_condition=of_report(),
    freshness_policy=WEEKLY,
)
def data_card(store: StoreResource) -> dg.MaterializeResult[Any]:
    """Describe the data set from its manifests: what is in it, from where, made how, under which licences."""
    with fails_in_one_line():
        text = evidence.data_card(store.open())
        path = store.open().put_text("data_card/README.md", text)
    return dg.MaterializeResult(metadata={"card": dg.MetadataValue.md(text), "dagster/uri": path})


GroupLaunchpad: Any = create_model("GroupLaunchpad", __base__=dg.Config, **fields_of(GroupConfig))


@dg.asset(
    deps=[REASONING_PATTERNS.name, PATTERN_LABELS.name, EXECUTIONS.name],
    description=PATTERN_GROUPS.description,
    group_name=GROUP,
    owners=[OWNER],
    kinds={"parquet"},
    metadata=described(PATTERN_GROUPS),
    code_version=evidence.VERSION,
)
def pattern_groups(config: GroupLaunchpad, store: StoreResource) -> dg.MaterializeResult[Any]:
    """Compare how passing and failing samples reason."""
    opened = store.open()
    with fails_in_one_line():
        options = GroupConfig.of(config)
        table = compare_patterns(
            opened.batches(REASONING_PATTERNS),
            opened.batches(EXECUTIONS, VERDICTS),
            labels=opened.batches(PATTERN_LABELS) if opened.partitions(PATTERN_LABELS) else (),
            config=options,
        )
        with opened.writer(PATTERN_GROUPS, config=options.settings, code_version=evidence.VERSION) as writer:
            writer.write(table)
    rows = [[row[name] for name in ("measure", "passing", "failing", "p_value")] for row in table.to_pylist()]
    shown = dg.MetadataValue.md(markdown_table(["measure", "passing", "failing", "p"], rows))
    return dg.MaterializeResult(metadata={"groups": shown, "differences": picture(pattern_plot(table))})


class ReleaseConfig(dg.Config):
    """What a release is called."""

    name: str = Field(default="", description="Such as 2026-11; without a name its rows name it.")


@dg.asset(
    deps=[SFT_DATASET.name, "data_card"],
    description="An immutable folder that pandas, DuckDB, Polars, Spark and datasets read with their plain defaults.",
    group_name=GROUP,
    kinds={"parquet"},
    owners=[OWNER],
)
def release(store: StoreResource, config: ReleaseConfig) -> dg.MaterializeResult[Any]:
    """Release sft_dataset as it is now; a name never changes its rows."""
    with fails_in_one_line():
        place = write_release(store.open(), SFT_DATASET, config.name or None)
    return dg.MaterializeResult(metadata={"dagster/uri": place})
