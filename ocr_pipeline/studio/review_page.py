"""The review page: one pair at a time, its evidence, the two texts side by side, and a key for each decision.

Each button belongs to the pair it was drawn for: a key pressed while the next pair is on its way decides nothing.
"""

from __future__ import annotations

import getpass
import html
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from ocr_pipeline.errors import PipelineError
from ocr_pipeline.similarity import ReviewDecision, Reviews
from ocr_pipeline.similarity.profile import spoken
from ocr_pipeline.store import Store
from ocr_pipeline.studio.decisions import PairKind, Review, agreements, append_reviews, last_standing, stored_reviews
from ocr_pipeline.studio.difference import side_by_side
from ocr_pipeline.studio.queue import Pair, progress_of, queue_for
from ocr_pipeline.studio.session import benchmark_folder, open_store, pairs_of, reviews_of
from ocr_pipeline.studio.texts import Statement, statements_of

__all__ = ["review_page"]

STYLE: Final = """<style>
.statement { white-space: pre-wrap; overflow-wrap: anywhere; font: 0.86rem/1.5 ui-monospace, monospace;
  border: 1px solid rgba(128, 128, 128, .35); border-radius: .5rem; padding: .8rem 1rem; margin: 0;
  max-height: 60vh; overflow-y: auto; }
.statement mark { background: rgba(255, 193, 7, .45); color: inherit; border-radius: .2rem; }
.stMainBlockContainer { padding-top: 3.5rem; }
.facts { opacity: .75; font-size: .85rem; margin: 0 0 .4rem; overflow-wrap: anywhere; }
[data-testid="stToastContainer"] { top: auto; bottom: 1rem; }
</style>"""


@dataclass(frozen=True, slots=True)
class _Choice:
    """A decision that a key makes."""

    label: str
    key: str
    decision: ReviewDecision


CHOICES: Final[Mapping[PairKind, tuple[_Choice, _Choice]]] = {
    PairKind.DUPLICATE: (
        _Choice("Duplicate", "D", ReviewDecision.DUPLICATE),
        _Choice("Distinct", "N", ReviewDecision.DISTINCT),
    ),
    PairKind.CONTAMINATION: (
        _Choice("Contaminated", "D", ReviewDecision.DUPLICATE),
        _Choice("Clean", "N", ReviewDecision.DISTINCT),
    ),
}
SAID: Final = {"rating": "rating", "n_tests": "tests:", "license": "licence"}
SKIP_KEY: Final = "S"
UNDO_KEY: Final = "U"


def review_page() -> None:
    """Show the reviewer's next pair."""
    import streamlit as st

    store = open_store()
    st.html(STYLE)
    pairs, votes = pairs_of(store), reviews_of(store)
    wide, narrow = st.columns([5, 1], vertical_alignment="bottom")
    with narrow:
        reviewer = _ask_reviewer()
    with wide:
        _show_progress(pairs, votes, reviewer)
    if problem := st.session_state.pop("problem", None):
        st.error(problem)
    queue = queue_for(reviewer, pairs, votes, st.session_state.get("skipped", ()))
    if not pairs:
        st.info("There is no uncertain pair. Materialize `duplicate_pairs` and `contamination`, then reload this page.")
    elif not queue:
        st.success("You have decided every pair. Materialize `duplicate_pairs` and `contamination` again to apply it.")
        _show_buttons(store, None, reviewer)
    else:
        _show_pair(store, queue[0], votes, reviewer)


def _ask_reviewer() -> str:
    import streamlit as st

    suggested = st.query_params.get("reviewer") or _user_name()
    explained = "Your name stands beside each of your decisions. A second reviewer uses another name."
    name = st.text_input("Reviewer", value=suggested, key="reviewer", max_chars=80, help=explained).strip()
    if name:
        st.query_params["reviewer"] = name
    return name


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container user without a name
        return ""


def _show_progress(pairs: list[Pair], votes: Reviews, reviewer: str) -> None:
    import streamlit as st

    done = progress_of(reviewer, pairs, votes)
    share = done.decided_by_reviewer / done.pairs if done.pairs else 0.0
    parts = [f"**{done.decided_by_reviewer:,} of {done.pairs:,}** decided by {reviewer or 'you'}"]
    parts.append(f"{done.decided_by_anyone:,} by anyone")
    if done.disputed:
        parts.append(f"{done.disputed:,} disputed")
    parts += [
        f"{' and '.join(one.reviewers)} agree on {one.agreed:,} of {one.pairs:,}"
        + ("" if one.kappa is None else f" (κ {one.kappa:.2f})")
        for one in agreements(votes)
    ]
    st.progress(share, text=" · ".join(parts))


def _show_pair(store: Store, pair: Pair, votes: Reviews, reviewer: str) -> None:
    import streamlit as st

    if pair.kind is PairKind.DUPLICATE:
        st.subheader("Are these the same problem?", anchor=False)
    else:
        st.subheader(f"Is the problem on the left in {pair.benchmark}?", anchor=False)
    _show_evidence(pair, votes, reviewer)
    _show_buttons(store, pair, reviewer)
    left, right = statements_of(store, pair, benchmark_folder())
    marked = side_by_side(left.text, right.text) if left and right else (_plain(left), _plain(right))
    columns = st.columns(2)
    for column, name, statement, text in zip(
        columns, (pair.left_id, pair.right_id), (left, right), marked, strict=True
    ):
        with column:
            st.html(_statement_html(name, statement, text))


def _show_evidence(pair: Pair, votes: Reviews, reviewer: str) -> None:
    import streamlit as st

    tests = {True: "the same", False: "different, or none in common", None: "not comparable"}[pair.tests_equal]
    by = (
        f" (by {pair.decided_by} `{pair.rule}`)" if pair.rule else f" (by {pair.decided_by})" if pair.decided_by else ""
    )
    compared = [f"known answers **{tests}**"] if pair.kind is PairKind.DUPLICATE else []
    facts = [
        f"cosine **{pair.cosine:.4f}**",
        f"lexical similarity **{pair.lexical:.2f}**",
        *compared,
        f"the pipeline says **{_word(pair, pair.decision) if pair.decision else 'undecided'}**{by}",
    ]
    others = {who: vote for who, vote in votes.votes.get(pair.pair_key, {}).items() if who != reviewer}
    if len(set(others.values())) > 1:  # one other opinion is kept back, so that the second one is independent
        facts.append("**other reviewers disagree**")
    st.markdown(" · ".join(facts))
    if pair.evidence:
        st.html(f"<p class='facts'>Evidence: {html.escape(spoken(pair.evidence))}</p>")
    if pair.span:
        st.html(f"<p class='facts'>Both say: <q>{html.escape(pair.span)}</q></p>")


def _word(pair: Pair, decision: ReviewDecision) -> str:
    labels = {choice.decision: choice.label.lower() for choice in CHOICES[pair.kind]}
    return labels.get(decision, decision.value)


def _show_buttons(store: Store, pair: Pair | None, reviewer: str) -> None:
    import streamlit as st

    with st.container(horizontal=True, vertical_alignment="bottom"):
        if pair is not None:
            for choice in CHOICES[pair.kind]:
                st.button(
                    choice.label,
                    key=f"{choice.decision}-{pair.pair_key}",
                    shortcut=choice.key,
                    disabled=not reviewer,
                    on_click=_decide,
                    args=(store, pair, choice.decision, reviewer),
                )
            st.button("Skip", key=f"skip-{pair.pair_key}", shortcut=SKIP_KEY, on_click=_skip, args=(pair,))
        st.button("Undo", key="undo", shortcut=UNDO_KEY, on_click=_undo, args=(store, reviewer))
        if pair is not None:
            st.text_input(
                "Note", key=f"note-{pair.pair_key}", placeholder="note (optional)", label_visibility="collapsed"
            )


def _decide(store: Store, pair: Pair, decision: ReviewDecision, reviewer: str) -> None:
    import streamlit as st

    note = st.session_state.get(f"note-{pair.pair_key}", "").strip() or None
    review = Review(pair.pair_key, pair.kind, decision, reviewer, datetime.now(UTC), pair.left_id, pair.right_id, note)
    _store(store, review, f"{_word(pair, decision).capitalize()}: {pair.left_id} and {pair.right_id}")


def _skip(pair: Pair) -> None:
    import streamlit as st

    skipped = [key for key in st.session_state.get("skipped", ()) if key != pair.pair_key]
    st.session_state["skipped"] = [*skipped, pair.pair_key]


def _undo(store: Store, reviewer: str) -> None:
    """Take back the reviewer's latest standing decision, of this visit or an earlier one."""
    import streamlit as st

    last = last_standing(stored_reviews(store), reviewer)
    if last is None:
        st.toast("There is nothing to undo.")
        return
    withdrawn = Review(
        last.pair_key,
        last.kind,
        ReviewDecision.WITHDRAWN,
        reviewer,
        datetime.now(UTC),
        last.left_id,
        last.right_id,
    )
    _store(store, withdrawn, f"Taken back: {last.decision} on {last.left_id} and {last.right_id}")
    st.session_state["skipped"] = [key for key in st.session_state.get("skipped", ()) if key != last.pair_key]


def _store(store: Store, review: Review, message: str) -> None:
    import streamlit as st

    try:
        append_reviews(store, [review])
    except PipelineError as error:
        st.session_state["problem"] = f"Not stored: {error}"
        return
    st.toast(message)


def _statement_html(name: str, statement: Statement | None, marked: str) -> str:
    if statement is None:
        return f"<p class='facts'><b>{html.escape(name)}</b> · its statement is not in this data root</p>"
    shown = html.escape(name)  # only what was ingested has a history
    history = f"<a href='browse?id={quote(name)}' target='_blank'>{shown}</a>" if statement.facts else shown
    facts = " · ".join([f"<b>{history}</b>", *(_fact(fact, value) for fact, value in statement.facts.items())])
    return f"<p class='facts'>{facts}</p><div class='statement'>{marked}</div>"


def _plain(statement: Statement | None) -> str:
    return html.escape(statement.text) if statement else ""


def _fact(name: str, value: Any) -> str:  # noqa: ANN401 - any scalar of the table
    return html.escape(f"{SAID.get(name, '')} {value}".strip())
