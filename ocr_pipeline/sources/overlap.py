"""Two small overlaps of Arrow's work with Python's: read the next batch, and write the last rows, meanwhile.

Decoding and compressing release the interpreter lock, so a second core can do them. One thread each, one item ahead or
behind: order, result and memory stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

__all__ = ["Behind", "ahead"]

Item = TypeVar("Item")


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items while the next one is made in a thread."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(_next, items)
        while (item := coming.result()) is not None:
            coming = pool.submit(_next, items)
            yield item


def _next(items: Iterator[Item]) -> Item | None:
    return next(items, None)


class Behind:
    """Makes calls in a thread, one after the other; a call waits until the one before it is done."""

    def __enter__(self) -> Self:
        """Start the thread."""
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._last: Future[None] | None = None
        return self

    def call(self, function: Callable[[], None]) -> None:
        """Make a call; what the one before raised is raised here."""
        self.wait()
        self._last = self._pool.submit(function)

    def wait(self) -> None:
        """Wait for the last call."""
        if self._last is not None:
            last, self._last = self._last, None
            last.result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last call and end the thread."""
        self._pool.shutdown(wait=True)
        if kind is None:
            self.wait()
