"""The review page: some questions ahead with their cards, decisions stored in their order, the last one taken back.

The page in the browser (``static/studio.js``) shows the next card before the server knows of the decision on the last one;
so every decision names what it is about, and a key pressed twice decides two things that were seen.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ocr_pipeline.errors import InputError
from ocr_pipeline.studio.decisions import Agreement, Review, agreements, append_reviews, last_standing, stored_reviews
from ocr_pipeline.studio.markup import Html, escaped, link, page
from ocr_pipeline.studio.queue import progress_of, queue_for
from ocr_pipeline.studio.queues import QUEUES, Item, Queue, card_of, word_of
from ocr_pipeline.studio.root import Root

__all__ = ["Asked", "Decided", "Named", "decide", "next_items", "queue_named", "review_page", "undo"]

MOST_AHEAD: Final = 100
MOST_NOTE: Final = 2_000
LONGEST_NAME: Final = 80
WITHDRAWN: Final = "withdrawn"


class Named(BaseModel):
    """What every question of the page says; what nobody asked for is left aside."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    queue: str = ""
    reviewer: str = ""

    @property
    def who(self) -> str:
        """The reviewer, as it is stored."""
        return self.reviewer.strip()[:LONGEST_NAME]


class Asked(Named):
    """Which items are to come."""

    have: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    limit: int = Field(MOST_AHEAD, ge=1)


class Decision(BaseModel):
    """One decision."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str
    decision: str
    note: str | None = None


class Decided(Named):
    """Decisions, in their order."""

    decisions: tuple[Decision, ...] = ()


def queue_named(name: str) -> Queue:
    """Return a queue.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    if name not in QUEUES:
        message = f"there is no queue `{name}`; there are {', '.join(QUEUES)}"
        raise InputError(message)
    return QUEUES[name]


def review_page(root: Root, name: str, reviewer: str | None) -> str:
    """Return the page of a queue; what it asks comes by :func:`next_items`."""
    sizes = {queue.name: len(root.items(queue)) for queue in QUEUES.values()}
    queue = queue_named(name or next((each for each, size in sizes.items() if size), "duplicates"))
    who = _user_name() if reviewer is None else reviewer
    tabs = "".join(
        f"<span class='{'here' if each is queue else ''}'>{link('/review', f'{each.title} ({sizes[each.name]:,})', queue=each.name, reviewer=who)}</span>"
        for each in QUEUES.values()
    )
    buttons = "".join(
        f"<button data-decision='{choice.decision}' data-key='{choice.key}' hidden>{choice.label}<kbd>{choice.key.upper()}</kbd></button>"
        for choice in queue.choices
    )
    finished = "You have decided everything here." if sizes[queue.name] else "There is nothing to ask here."
    body = f"""<div class='tabs'>{tabs}</div>
<section id='review' data-queue='{queue.name}'>
<div class='bar'><span id='progress' class='facts'></span>
<label>Reviewer <input id='reviewer' value='{escaped(who)}' maxlength='{LONGEST_NAME}' size='12'></label></div>
<progress id='share' value='0' max='1'></progress><p id='problem' class='problem' role='alert'></p>
<div class='bar'>{buttons}<button id='skip' data-key='s'>Skip<kbd>S</kbd></button>
<button id='undo' data-key='u'>Undo<kbd>U</kbd></button>
<input id='note' placeholder='note (optional)' maxlength='{MOST_NOTE}' size='30'><span id='said' class='facts'></span></div>
<div id='card'></div>
<template id='finished'><h1>{finished}</h1><p class='facts'>{escaped(queue.empty)}{" again to apply it" if sizes[queue.name] else ", then reload this page"}.</p></template>
</section>"""
    return page("review", queue.title, body)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container user without a name
        return ""


def next_items(root: Root, body: Asked) -> dict[str, Any]:
    """Return the next items of a reviewer, without those that the page has, with their cards."""
    queue, reviewer = queue_named(body.queue), body.who
    votes = root.votes(queue)
    have = set(body.have)
    waiting = queue_for(reviewer, root.items(queue), votes, body.skipped)
    chosen = [item for item in waiting if item.pair_key not in have][: min(body.limit, MOST_AHEAD)]
    return {
        "items": [_shown(root, queue, item, reviewer) for item in chosen],
        "progress": _progress(root, queue, reviewer),
    }


def decide(root: Root, body: Decided, now: datetime | None = None) -> dict[str, Any]:
    """Store decisions, all or none.

    Raises
    ------
    InputError
        When one is not of this queue, or nobody says who decides.
    StoreError
        When the data root cannot be written.
    """
    queue, reviewer = queue_named(body.queue), body.who
    if not reviewer:
        raise InputError("nobody says who decides; give a name")
    known = {item.pair_key: item for item in root.items(queue)}
    moment = now or datetime.now(UTC)
    reviews = [_review(queue, known, reviewer, moment, one) for one in body.decisions]
    append_reviews(root.store, reviews, queue.table)
    return {"progress": _progress(root, queue, reviewer)}


def _review(queue: Queue, known: Mapping[str, Item], reviewer: str, moment: datetime, one: Decision) -> Review:
    words = {choice.decision.value: choice.decision for choice in queue.choices}
    item, decision = known.get(one.key), words.get(one.decision)
    if item is None or decision is None:
        message = f"`{one.decision}` on `{one.key}` is not a decision of {queue.title.lower()}; reload the page"
        raise InputError(message)
    note = (one.note or "").strip()[:MOST_NOTE] or None
    return Review(item.pair_key, item.kind, decision, reviewer, moment, item.left_id, item.right_id, note)


def undo(root: Root, body: Named, now: datetime | None = None) -> dict[str, Any]:
    """Take back the reviewer's latest standing decision of this queue, of this visit or an earlier one."""
    queue, reviewer = queue_named(body.queue), body.who
    items = {item.pair_key: item for item in root.items(queue)}
    stored = stored_reviews(root.store, queue.table)
    last = last_standing(stored, reviewer, among=items.keys())
    if last is None:
        return {"item": None, "said": "There is nothing to undo.", "progress": _progress(root, queue, reviewer)}
    words = type(last.decision)
    withdrawn = Review(
        last.pair_key,
        last.kind,
        words(WITHDRAWN),
        reviewer,
        now or datetime.now(UTC),
        last.left_id,
        last.right_id,
    )
    append_reviews(root.store, [withdrawn], queue.table)
    item = items[last.pair_key]
    said = f"Taken back: {word_of(queue, last.decision)} on {last.left_id} and {last.right_id}"
    return {
        "item": _shown(root, queue, item, reviewer),
        "said": said,
        "progress": _progress(root, queue, reviewer),
    }


def _shown(root: Root, queue: Queue, item: Item, reviewer: str) -> dict[str, Any]:
    card: Html = card_of(root.store, root.benchmarks, queue, item, root.votes(queue), reviewer)
    return {
        "key": item.pair_key,
        "html": card,
        "choices": [[choice.label, choice.decision.value] for choice in queue.choices],
    }


def _progress(root: Root, queue: Queue, reviewer: str) -> dict[str, Any]:
    votes = root.votes(queue)
    told = [_agreement(one) for one in agreements(votes)]
    return asdict(progress_of(reviewer, root.items(queue), votes)) | {"agreements": told}


def _agreement(one: Agreement) -> str:
    chance = "" if one.kappa is None else f" (κ {one.kappa:.2f})"
    return f"{' and '.join(one.reviewers)} agree on {one.agreed:,} of {one.pairs:,}{chance}"
