"""The general door: any messages in, replies out in their order, each paid once."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocr_pipeline.errors import StoreError
from ocr_pipeline.teacher import Asking, Message, Reply, Request, ask
from ocr_pipeline.teacher.ledger import Ledger
from ocr_pipeline.teacher.session import Totals
from tests.teacher import world as tw


def requests(count: int, **more: Any) -> list[Request]:
    """Return questions that differ."""
    return [
        Request((Message("user", f"Problem {n}"),), {"seed": n, "max_tokens": 100}, subject={"number": n}, **more)
        for n in range(count)
    ]


def asked(here: tw.World, questions: Any, folder: Path, **options: Any) -> tuple[list[Reply], Totals]:
    """Ask in that world; return the replies and the totals."""
    totals: list[Totals] = []
    settings = options.pop("config", Asking(model=tw.MODEL, window=4))
    stream = ask(
        questions,
        server=tw.attach(list(here.servers)),
        ledger=folder / "own.sqlite",
        config=settings,
        on_totals=totals.append,
        clock=here.wall_s,
        outside=here.outside,
        **options,
    )
    return list(stream), totals[0]


def test_replies_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    """Whatever took longest; each with the request it answers."""
    questions = requests(40)
    replies, _ = asked(tw.world("delay:uniform(1,100)"), questions, tmp_path)
    assert [reply.request for reply in replies] == questions
    assert all(reply.text.startswith("<think>") and reply.error is None for reply in replies)


def test_requests_are_a_stream_and_equal_ones_are_paid_once(tmp_path: Path) -> None:
    """Read once, and every one of them gets its reply."""

    def stream() -> Iterator[Request]:
        yield from requests(3)
        yield from requests(3)

    here = tw.world()
    replies, totals = asked(here, stream(), tmp_path)
    assert (len(replies), len(here.seen), totals.answered) == (6, 3, 3)
    assert [reply.text for reply in replies[:3]] == [reply.text for reply in replies[3:]]


def test_a_key_of_its_own_keeps_steps_apart(tmp_path: Path) -> None:
    """Equal messages under another key are another question."""
    here = tw.world()
    asked(here, requests(2), tmp_path)
    _, totals = asked(here, [*requests(2), *requests(2, key={"step": "judge"})], tmp_path)
    assert (totals.reused, totals.answered) == (2, 2)


def test_what_the_budget_leaves_unasked_says_so(tmp_path: Path) -> None:
    """A reply with the error ``budget``, never a missing one."""
    replies, totals = asked(tw.world(), requests(5), tmp_path, config=Asking(model=tw.MODEL, budget_requests=2))
    assert [reply.error for reply in replies] == [None, None, *["budget: budget_requests 2"] * 3]
    assert totals.stopped_by == "budget_requests 2"


def test_it_works_inside_a_running_event_loop(tmp_path: Path) -> None:
    """As in a notebook."""

    async def cell() -> int:
        return len(asked(tw.world(), requests(3), tmp_path)[0])

    assert asyncio.run(cell()) == 3


def test_interrupted_by_the_keyboard_it_keeps_what_came(tmp_path: Path) -> None:
    """Every answer that arrived is in the ledger when Ctrl-C ends the run."""
    here = tw.world("delay:constant(1)")

    class Impatient:
        def advance(self, rows: int = 1, **_: float) -> None:
            if rows and sum(here.arrived.values()) >= 12:
                signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            asked(here, requests(100), tmp_path, progress=Impatient())
    finally:
        signal.signal(signal.SIGINT, before)
    with Ledger(tmp_path / "own.sqlite") as ledger:
        assert ledger.summary().answers == sum(here.arrived.values()) >= 12


def test_a_ledger_that_breaks_in_the_middle_ends_the_run_and_loses_nothing_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error, no hang; the next run pays only for what is missing."""
    here = tw.world("delay:constant(1)")
    commit = Ledger.commit

    def broken(self: Ledger, records: Any) -> None:
        if sum(here.arrived.values()) > 20:
            raise StoreError("the disk is gone")
        commit(self, records)

    monkeypatch.setattr(Ledger, "commit", broken)
    with pytest.raises(StoreError, match="the disk is gone"):
        asked(here, requests(100), tmp_path)
    monkeypatch.undo()
    with Ledger(tmp_path / "own.sqlite") as ledger:
        kept = ledger.summary().answers
    _, totals = asked(here, requests(100), tmp_path)
    assert (totals.reused, totals.answered) == (kept, 100 - kept)
    assert 16 <= kept <= 24


def test_what_is_sent_is_what_was_asked(tmp_path: Path) -> None:
    """Model, messages and parameters, nothing more."""
    here = tw.world()
    asked(here, requests(1), tmp_path)
    assert json.loads(here.seen[0][1]) == {
        "model": tw.MODEL,
        "messages": [{"role": "user", "content": "Problem 0"}],
        "seed": 0,
        "max_tokens": 100,
    }
