"""What two programs say to each other arrives whole, in order, bounded, and it is known who ended first."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_pipeline.judge.relaying import Relay


class Side:
    """A program in a thread: it writes its words, reads all it gets, and ends."""

    def __init__(self, pipes: tuple[int, int], words: bytes, *, waits: bool) -> None:
        self.heard = b""
        self._reader, self._writer = (os.dup(end) for end in pipes)
        self._words = words
        self._waits = waits
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def _run(self) -> None:
        writing = threading.Thread(target=self._write)
        writing.start()
        if not self._waits:
            writing.join()
        while part := os.read(self._reader, 1 << 16):
            self.heard += part
        writing.join()
        os.close(self._reader)

    def _write(self) -> None:
        left = self._words
        try:
            while left:
                left = left[os.write(self._writer, left) :]
        except BrokenPipeError:
            pass
        os.close(self._writer)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300_000), st.binary(max_size=300_000))
def test_both_directions_carry_everything(question: bytes, answer: bytes) -> None:
    """Also when both talk at once and more than a pipe holds."""
    with Relay(1 << 20) as relay:
        candidate = Side(relay.candidate, answer, waits=True)
        interactor = Side(relay.interactor, question, waits=True)
        relay.hand_over()
        for side in (candidate, interactor):
            side.start()
        relay.carry()
        for side in (candidate, interactor):
            side.join()
    assert (candidate.heard, interactor.heard) == (question, answer)


@pytest.mark.parametrize("first", ["candidate", "interactor"])
def test_who_ends_first_is_known_although_the_other_follows_at_once(first: str) -> None:
    """The other side learns of the end only from the relay."""
    with Relay(1 << 20) as relay:
        leaving, staying = (
            (relay.candidate, relay.interactor) if first == "candidate" else (relay.interactor, relay.candidate)
        )
        reader, writer = (os.dup(end) for end in staying)
        os.write(leaving[1], b"bye")
        relay.hand_over()  # nobody else holds the ends of who leaves

        def stay() -> None:
            while os.read(reader, 100):
                pass
            os.close(reader)
            os.close(writer)

        follower = threading.Thread(target=stay)
        follower.start()
        assert relay.carry() is (first == "interactor")
        follower.join()


def test_what_one_says_is_bounded() -> None:
    """Its pipe breaks, and the relay says so."""
    with Relay(100_000) as relay:
        candidate = Side(relay.candidate, bytes(10**6), waits=True)
        interactor = Side(relay.interactor, b"", waits=True)
        relay.hand_over()
        candidate.start()
        interactor.start()
        relay.carry()
        candidate.join()
        interactor.join()
        assert relay.answer.flooded
    assert len(interactor.heard) <= 100_000


def test_words_to_one_who_has_left_break_the_pipe_of_who_says_them() -> None:
    """As between any two programs, however much was said before."""
    with Relay(1 << 22) as relay:
        candidate = Side(relay.candidate, bytes(10**6), waits=True)
        relay.hand_over()  # nobody holds the interactor's ends
        candidate.start()
        assert relay.carry()
        candidate.join()
    assert candidate.heard == b""
