"""Requests that get a status and one line instead of a verdict."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["NotRun", "Refused"]


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """A request that is not served."""

    def __init__(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None, body: object = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = body
        """What is answered beside the message."""


class NotRun(Refused):
    """Nobody could judge the program; that is not its failure."""

    def __init__(self, message: str, *, body: object = None) -> None:
        super().__init__(503, message, headers={"Retry-After": "1"}, body=body)
