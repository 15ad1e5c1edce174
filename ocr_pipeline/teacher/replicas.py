"""Which of several servers gets the next request: the least loaded that is alive, with back-pressure for each.

A replica that cannot be reached, or fails several times in a row, is taken out and probed until it answers again.
A replica that says it is overloaded is left alone for as long as it asks, and then gets fewer requests at a time,
rising again one by one. What a single request does about a failure is the client's business.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ocr_pipeline.errors import TeacherError

__all__ = ["Replica", "Replicas"]

FAILURES_TO_TAKE_OUT: Final = 5
FIRST_PROBE_S: Final = 0.5
LONGEST_PROBE_S: Final = 30.0
SLOWDOWN: Final = 0.7  # multiplicative decrease, additive increase: the rule TCP uses for the same problem
SLOWDOWN_EVERY_S: Final = 1.0


@dataclass(eq=False, slots=True)
class Replica:
    """One base URL and what is known about it."""

    url: str
    limit: float
    in_flight: int = 0
    paused_until_s: float = 0.0
    slowed_at_s: float = float("-inf")
    failures: int = 0
    is_down: bool = False

    def is_ready(self, now_s: float) -> bool:
        """Whether it may get a request now."""
        return not self.is_down and self.in_flight < self.limit and self.paused_until_s <= now_s


class Replicas:
    """A pool of base URLs; lives inside one running event loop.

    Parameters
    ----------
    urls
        Base URLs.
    limit
        Most requests in flight at one replica.
    probe
        Asks one URL whether it is alive.
    patience_s
        How long all replicas may be down together before the run ends, in seconds.
    """

    def __init__(
        self, urls: Sequence[str], *, limit: int, probe: Callable[[str], Awaitable[bool]], patience_s: float
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._probe = probe
        self._patience_s = patience_s
        self._all = [Replica(url, float(limit)) for url in urls]
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._probes: set[asyncio.Task[None]] = set()
        self._down_since_s: float | None = None
        self._given_up: TeacherError | None = None
        self.taken_out = 0

    async def acquire(self) -> Replica:
        """Return the least loaded live replica; waits until there is one.

        Raises
        ------
        TeacherError
            When all have been down for longer than the patience.
        """
        while True:
            if self._given_up is not None:
                raise self._given_up
            now_s = self._loop.time()
            ready = [replica for replica in self._all if replica.is_ready(now_s)]
            if ready:
                chosen = min(ready, key=lambda replica: replica.in_flight)
                chosen.in_flight += 1
                return chosen
            turn = self._loop.create_future()
            self._waiting.append(turn)
            await turn

    def release(self, replica: Replica) -> None:
        """Give a replica back after a request, however it ended."""
        replica.in_flight -= 1
        self._wake(1)

    def report_success(self, replica: Replica) -> None:
        """Note an answer."""
        replica.failures = 0
        if replica.limit < self._limit:
            replica.limit = min(float(self._limit), replica.limit + 1 / replica.limit)
            self._wake(1)

    def report_failure(self, replica: Replica) -> None:
        """Note a failure that may be the server's; several in a row take it out."""
        replica.failures += 1
        if replica.failures >= FAILURES_TO_TAKE_OUT:
            self.take_out(replica)

    def report_overload(self, replica: Replica, wait_s: float) -> None:
        """Leave a replica alone for ``wait_s``, then give it less at a time."""
        now_s = self._loop.time()
        if now_s - replica.slowed_at_s >= SLOWDOWN_EVERY_S:
            replica.slowed_at_s = now_s
            replica.limit = max(1.0, min(replica.limit, replica.in_flight) * SLOWDOWN)
        if wait_s > 0:
            replica.paused_until_s = max(replica.paused_until_s, now_s + wait_s)
            self._loop.call_later(wait_s + 0.001, self._wake, len(self._all) * self._limit)

    def take_out(self, replica: Replica) -> None:
        """Send nothing more to a replica until a probe reaches it."""
        if replica.is_down:
            return
        replica.is_down = True
        self.taken_out += 1
        if all(each.is_down for each in self._all):
            self._down_since_s = self._loop.time()
        task = self._loop.create_task(self._bring_back(replica))
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    async def close(self) -> None:
        """Stop probing."""
        for task in list(self._probes):
            task.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)

    async def _bring_back(self, replica: Replica) -> None:
        wait_s = FIRST_PROBE_S
        while not self._given_up:
            await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
            if await self._probe(replica.url):
                self._restore(replica)
                return
            self._lose_patience(replica)
            wait_s = min(wait_s * 1.5, LONGEST_PROBE_S)

    def _restore(self, replica: Replica) -> None:
        replica.is_down, replica.failures = False, 0
        self._down_since_s = None
        self._wake(self._limit)

    def _lose_patience(self, replica: Replica) -> None:
        if self._down_since_s is None or self._loop.time() - self._down_since_s < self._patience_s:
            return
        self._given_up = TeacherError(
            f"the teacher at `{replica.url}` has not answered for {self._patience_s:g} s; "
            "start it again and run the same command: what was answered is kept"
        )
        self._wake(len(self._waiting))

    def _wake(self, turns: int) -> None:
        while turns > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                turns -= 1
