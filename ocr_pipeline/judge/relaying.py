"""Carries what two jailed programs say to each other, and knows which of them ended first.

The bytes go through the supervisor, which looks at none of them: neither program learns of the other's end before it does, so
who ended first is never a question of timing, and what a program may say is bounded.
"""

from __future__ import annotations

import os
import select
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Self

__all__ = ["Line", "Relay"]

AT_ONCE: Final = 1 << 16
BROKEN: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL


class End(Enum):
    """Which end of a line is gone."""

    WRITER = "writer"
    READER = "reader"


@dataclass(slots=True, eq=False)
class Line:
    """One direction: from the end where a program writes to the end where the other one reads."""

    source: int
    target: int
    left: int
    """How many bytes may still be said."""
    waiting: bytes = b""
    is_open: bool = True
    flooded: bool = False

    def close(self) -> None:
        """End this direction: its writer meets a broken pipe, its reader the end."""
        if self.is_open:
            self.is_open = False
            os.close(self.source)
            os.close(self.target)

    def carry(self, events: dict[int, int]) -> End | None:
        """Move what can be moved; return who has ended."""
        ended = False
        if not self.waiting and events.get(self.source):
            self.waiting = _read(self.source)
            self.left -= len(self.waiting)
            self.flooded = self.left < 0
            ended = not self.waiting
        is_broken = bool(events.get(self.target, 0) & BROKEN)
        if self.waiting and not (self.flooded or is_broken):
            try:
                self.waiting = self.waiting[os.write(self.target, self.waiting) :]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                is_broken = True
        if ended or self.flooded or is_broken:
            self.close()
        return End.WRITER if ended else End.READER if is_broken else None


def _read(source: int) -> bytes:
    try:
        return os.read(source, AT_ONCE)
    except BlockingIOError:
        return b""


@dataclass(slots=True)
class Relay:
    """Two programs' four pipes: the ends to hand over, and the lines between the others."""

    most_bytes: int
    candidate: tuple[int, int] = field(init=False)
    """The candidate's input and output."""
    interactor: tuple[int, int] = field(init=False)
    """The interactor's input and output."""
    question: Line = field(init=False)
    answer: Line = field(init=False)
    _handed_over: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Open the pipes."""
        pipes = [os.pipe() for _ in range(4)]
        for reader, writer in ((pipes[0][0], pipes[1][1]), (pipes[2][0], pipes[3][1])):
            os.set_blocking(reader, False)
            os.set_blocking(writer, False)
        self.answer = Line(pipes[0][0], pipes[1][1], self.most_bytes)  # the candidate's words
        self.question = Line(pipes[2][0], pipes[3][1], self.most_bytes)
        self.candidate = pipes[3][0], pipes[0][1]
        self.interactor = pipes[1][0], pipes[2][1]

    def hand_over(self) -> None:
        """Close the ends that the programs have by now."""
        if not self._handed_over:
            self._handed_over = True
            for end in (*self.candidate, *self.interactor):
                os.close(end)

    def carry(self) -> bool:
        """Carry all until both directions have ended; return whether the interactor ended first."""
        first: tuple[Line, End] | None = None
        while open_lines := [line for line in (self.answer, self.question) if line.is_open]:
            poller = select.poll()
            for line in open_lines:
                poller.register(line.target, select.POLLOUT if line.waiting else 0)
                if not line.waiting:
                    poller.register(line.source, select.POLLIN)
            events = dict(poller.poll())
            for line in open_lines:
                end = line.carry(events)
                if end and first is None:
                    first = line, end
        return first in {(self.question, End.WRITER), (self.answer, End.READER)}

    def __enter__(self) -> Self:
        """Return the relay."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        self.hand_over()
        self.answer.close()
        self.question.close()
