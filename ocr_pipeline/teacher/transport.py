"""Bytes to a server and back over HTTP: the one place that knows the HTTP library.

aiohttp with orjson was the cheapest of the kept libraries by measurement (0.18 ms of CPU per 30 kB completion
at 1,024 in flight; the ``openai`` package's default client takes 3.3 ms, httpx 17 ms), and it moves no text.
What a status means, and whether to try again, is decided in :mod:`ocr_pipeline.teacher.client`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

if TYPE_CHECKING:
    import aiohttp

__all__ = [
    "AiohttpTransport",
    "BrokenConnectionError",
    "DeadlineError",
    "HttpReply",
    "Transport",
    "TransportFactory",
    "UnreachableError",
]

CONNECT_TIMEOUT_S: Final = 10.0
KEEP_ALIVE_S: Final = 15.0
SAME_METHOD: Final = frozenset({307, 308})


class UnreachableError(Exception):
    """No connection could be made: nobody listens there."""


class BrokenConnectionError(Exception):
    """The connection broke before the whole reply was there."""


class DeadlineError(Exception):
    """The reply did not come in time."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole reply; headers are looked up in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Sends requests; tests replace it by one without sockets."""

    async def post(self, url: str, body: bytes, *, timeout_s: float) -> HttpReply:
        """Send JSON and return the reply.

        Raises
        ------
        UnreachableError, BrokenConnectionError, DeadlineError
        """

    async def get(self, url: str, *, timeout_s: float) -> HttpReply:
        """Return the reply; raises as :meth:`post` does."""


class TransportFactory(Protocol):
    """Opens a transport that sends these headers with every request."""

    def __call__(self, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Transport]:
        """Return a context manager; it closes all connections at its end."""


class AiohttpTransport:
    """HTTP/1.1 with kept connections and no limit of its own: the window is the limit."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self._session: aiohttp.ClientSession | None = None
        self._last_timeout: aiohttp.ClientTimeout | None = None

    async def __aenter__(self) -> Self:
        """Open the session inside the running loop."""
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, body: bytes, *, timeout_s: float) -> HttpReply:
        """Send JSON and return the reply."""
        return await self._send("POST", url, body, timeout_s)

    async def get(self, url: str, *, timeout_s: float) -> HttpReply:
        """Return the reply to a GET."""
        return await self._send("GET", url, None, timeout_s)

    def _timeout(self, total_s: float) -> aiohttp.ClientTimeout:
        """Return the same object for the same time: nearly all requests have one deadline."""
        import aiohttp

        if self._last_timeout is None or self._last_timeout.total != total_s:
            self._last_timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=CONNECT_TIMEOUT_S)
        return self._last_timeout

    async def _send(self, method: str, url: str, body: bytes | None, timeout_s: float) -> HttpReply:
        import aiohttp
        from yarl import URL

        assert self._session is not None, "a transport is used inside its `async with`"  # noqa: S101 - narrows the type
        timeout = self._timeout(timeout_s)
        # Named by its class: finding the class for bytes takes aiohttp longer than sending them.
        payload = None if body is None else aiohttp.BytesPayload(body, content_type="application/json")
        try:
            # No `async with`: reading to the end gives the connection back, and a reading that fails closes it.
            # A redirect would turn a POST into a GET without its body; what it means is the client's to say.
            follow = method == "GET"
            reply = await self._session.request(method, url, data=payload, timeout=timeout, allow_redirects=follow)
            if reply.status in SAME_METHOD and (place := reply.headers.get("Location")):
                await reply.read()
                again = None if body is None else aiohttp.BytesPayload(body, content_type="application/json")
                target = reply.url.join(URL(place))
                reply = await self._session.request(method, target, data=again, timeout=timeout, allow_redirects=follow)
            return HttpReply(reply.status, reply.headers, await reply.read())
        except aiohttp.ClientConnectorError as error:
            raise UnreachableError(error.os_error.strerror or str(error)) from error
        except aiohttp.ConnectionTimeoutError as error:
            message = f"no connection in {CONNECT_TIMEOUT_S:g} s"
            raise UnreachableError(message) from error
        except TimeoutError as error:
            message = f"no whole reply in {timeout_s:g} s"
            raise DeadlineError(message) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise BrokenConnectionError(str(error) or type(error).__name__) from error
