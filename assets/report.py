"""Group report: the funnel over all stages and the data card."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.materialize import fails_in_one_line
from assets.metadata import OWNER, table_asset
from ocr_pipeline import evidence
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.evidence.funnel import stage_totals
from ocr_pipeline.tables import CLEAN_PROBLEMS, EXECUTIONS, FUNNEL, PLAN_SFT_DATASET, REJECTED, SAMPLES, SFT_DATASET
from resources import StoreResource

__all__ = ["data_card", "funnel"]

GROUP = "9_report"
EVERYTHING = (REJECTED, CLEAN_PROBLEMS, SAMPLES, EXECUTIONS, SFT_DATASET, PLAN_SFT_DATASET)


@table_asset(FUNNEL, group=GROUP, code_version=evidence.VERSION, upstream=EVERYTHING)
def funnel(store: StoreResource) -> dg.MaterializeResult[Any]:
    """Account for every row of every stage."""
    opened = store.open()
    with fails_in_one_line():
        table = evidence.build_funnel(opened)
        lost = evidence.unaccounted(opened)
        with opened.writer(FUNNEL, config={}, code_version=evidence.VERSION) as writer:
            writer.write(table)
    shown = dg.MetadataValue.md(_markdown(stage_totals(table)))
    return dg.MaterializeResult(metadata={"dagster/row_count": table.num_rows, "funnel": shown, "unaccounted": lost})


def _markdown(stages: Mapping[str, StageCounts]) -> str:
    lines = ["| stage | in | kept | dropped |", "|---|---:|---:|---|"]
    for name, counts in stages.items():
        dropped = ", ".join(f"{reason} {rows:,}" for reason, rows in sorted(counts.dropped.items()))
        lines.append(f"| {name} | {counts.rows_in:,} | {counts.kept:,} | {dropped} |")
    return "\n".join(lines)


@dg.asset(deps=["funnel"], group_name=GROUP, kinds={"markdown"}, owners=[OWNER])
def data_card(store: StoreResource) -> dg.MaterializeResult[Any]:
    """Describe the data set from its manifests: what is in it, from where, made how, under which licences."""
    with fails_in_one_line():
        text = evidence.data_card(store.open())
        path = store.open().put_text("data_card/README.md", text)
    return dg.MaterializeResult(metadata={"card": dg.MetadataValue.md(text), "dagster/uri": path})
