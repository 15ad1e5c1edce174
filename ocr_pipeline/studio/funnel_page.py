"""The funnel page: where the rows went, stage by stage, and whether each one can be found again."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import PipelineError
from ocr_pipeline.evidence import build_funnel, stage_totals, unaccounted, undecided_pairs
from ocr_pipeline.store import Store
from ocr_pipeline.studio.session import open_store

__all__ = ["funnel_page"]

EVERYTHING: Final = "all data sets"


def funnel_page() -> None:
    """Show the accounts of all stages, and check them by id when asked."""
    import streamlit as st

    store = open_store()
    try:
        funnel = build_funnel(store)
    except PipelineError as error:
        st.error(str(error))
        return
    if not funnel.num_rows:
        st.info("Nothing has been materialized yet.")
        return
    shown = _of_data_set(funnel)
    st.caption("in = kept + dropped, at every stage")
    st.dataframe(_stages(stage_totals(shown)), hide_index=True)
    for line in undecided_pairs(store):
        st.caption(line)
    _show_reasons(shown)
    _show_account(store)


def _of_data_set(funnel: pa.Table) -> pa.Table:
    import streamlit as st

    datasets = sorted(set(funnel["dataset"].to_pylist()) - {"*"})
    with st.sidebar:
        chosen = st.selectbox("Data set", [EVERYTHING, *datasets], key="dataset")
    return funnel if chosen == EVERYTHING else funnel.filter(pc.equal(funnel["dataset"], chosen))


def _stages(totals: dict[str, StageCounts]) -> list[dict[str, object]]:
    return [
        {
            "stage": stage,
            "in": counts.rows_in,
            "kept": counts.kept,
            "dropped": counts.rows_in - counts.kept,
            "kept share": f"{counts.kept / counts.rows_in:.1%}" if counts.rows_in else "",
        }
        for stage, counts in totals.items()
    ]


def _show_reasons(funnel: pa.Table) -> None:
    import streamlit as st

    rows = [
        {"stage": stage, "reason": reason, "rows": count}
        for stage, counts in stage_totals(funnel).items()
        for reason, count in sorted(counts.dropped.items(), key=lambda item: -item[1])
        if count
    ]
    if rows:
        st.subheader("Why rows were dropped", anchor=False)
        st.dataframe(rows, hide_index=True)


def _show_account(store: Store) -> None:
    import streamlit as st

    st.subheader("Is every row found again?", anchor=False)
    if st.button("Check by id"):
        lost = unaccounted(store)
        if lost:
            st.error("\n".join(f"- {line}" for line in lost))
        else:
            st.success("Every row is accounted for.")
