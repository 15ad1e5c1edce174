"""The browse page: find a problem, a rejected row or a sample, and read its whole life."""

from __future__ import annotations

import html
from typing import Final

import pyarrow as pa

from ocr_pipeline.errors import InputError
from ocr_pipeline.events import Event
from ocr_pipeline.evidence import explain
from ocr_pipeline.store import Store
from ocr_pipeline.studio.catalogue import MOST_ROWS, answer_of, problem_list, rejected_list, sample_list
from ocr_pipeline.studio.session import open_store
from ocr_pipeline.studio.texts import problem_statement
from ocr_pipeline.tables import PROBLEMS, REJECTED, SAMPLES

__all__ = ["browse_page"]

STYLE: Final = """<style>
.life { border-collapse: collapse; width: 100%; font-size: .9rem; }
.life td { border-top: 1px solid rgba(128, 128, 128, .3); padding: .35rem .8rem .35rem 0; vertical-align: top; overflow-wrap: anywhere; }
.life td:first-child, .life td:nth-child(2) { white-space: nowrap; overflow-wrap: normal; }
.stMainBlockContainer { padding-top: 3.5rem; }
.life .detail { opacity: .75; font-size: .82rem; }
</style>"""


def browse_page() -> None:
    """Show a list to choose from, and what became of the chosen row."""
    import streamlit as st

    store = open_store()
    with st.sidebar:
        what = st.radio("Rows of", [PROBLEMS.name, REJECTED.name, SAMPLES.name], key="what")
        words = st.text_input("Holding", key="words", placeholder="id, title, reason or verdict")
    chosen = _choose(store, what, words)
    given = st.text_input("Problem or sample id", value=chosen or st.query_params.get("id", ""), key=f"id-{chosen}")
    if given.strip():
        st.query_params["id"] = given.strip()
        _tell(store, given)


def _choose(store: Store, what: str, words: str) -> str | None:
    """Show the list of a kind of rows; return the id of the row that was clicked."""
    import streamlit as st

    table = {PROBLEMS.name: PROBLEMS, REJECTED.name: REJECTED, SAMPLES.name: SAMPLES}[what]
    partitions = {"|".join(keys.values()): keys for keys in store.partitions(table)}
    if not partitions:
        st.info(f"There are no {what} yet; materialize them first.")
        return None
    with st.sidebar:
        keys = partitions[st.selectbox("Partition", list(partitions), key=f"partition-{what}")]
    rows = _rows(store, what, keys, words)
    st.caption(f"{rows.num_rows:,} rows" + (f" (the first {MOST_ROWS:,})" if rows.num_rows == MOST_ROWS else ""))
    picked = st.dataframe(
        rows,
        key=f"rows-{what}-{'-'.join(keys.values())}-{words}",
        height=280,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
    )
    places = picked["selection"]["rows"]
    return _identifier(what, keys, rows, places[0]) if places else None


def _rows(store: Store, what: str, keys: dict[str, str], words: str) -> pa.Table:
    if what == SAMPLES.name:
        return sample_list(store, keys["dataset"], keys["language"], words)
    return (problem_list if what == PROBLEMS.name else rejected_list)(store, keys["dataset"], words)


def _identifier(what: str, keys: dict[str, str], rows: pa.Table, place: int) -> str:
    row = rows.slice(place, 1).to_pylist()[0]
    if what == REJECTED.name:
        return f"{keys['dataset']}/{row['split']}/{row['native_id']}"
    return str(row["problem_id" if what == PROBLEMS.name else "sample_id"])


def _tell(store: Store, identifier: str) -> None:
    import streamlit as st

    try:
        explanation = explain(store, identifier)
    except InputError as error:
        st.warning(str(error))
        return
    st.html(_events_html(explanation.events))
    if explanation.kind == "problem" and (statement := problem_statement(store, explanation.identifier)):
        with st.expander("Statement"):
            st.code(statement.text, language=None, wrap_lines=True)
    if explanation.kind == "sample" and (answer := answer_of(store, explanation.identifier)):
        with st.expander("Answer of the teacher"):
            st.code(answer, language=None, wrap_lines=True)


def _events_html(events: tuple[Event, ...]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(event.stage)}</td><td><b>{html.escape(event.verdict)}</b></td>"
        f"<td>{html.escape(event.summary)}{_details_html(event)}</td></tr>"
        for event in events
    )
    return f"{STYLE}<table class='life'>{rows}</table>"


def _details_html(event: Event) -> str:
    return "".join(f"<div class='detail'>{html.escape(line)}</div>" for line in event.lines())
