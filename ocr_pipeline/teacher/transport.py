"""Bytes to a server and back over HTTP/1.1: the one place that knows how.

asyncio's own connections and TLS, with httptools (the C parser that uvicorn uses) to read replies; requests are three lines of
text. A general client does much that is not needed here, and takes twice the CPU (docs/decisions/125). There are no proxies
and no cookies, and nothing is compressed unless the server insists.
What a status means, and whether to try again, is decided in :mod:`ocr_pipeline.teacher.client`.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self
from urllib.parse import quote, urljoin, urlsplit

if TYPE_CHECKING:
    import httptools

__all__ = [
    "BrokenConnectionError",
    "DeadlineError",
    "HttpReply",
    "HttpTransport",
    "Transport",
    "TransportFactory",
    "UnreachableError",
]

CONNECT_TIMEOUT_S: Final = 10.0
HAPPY_EYEBALLS_S: Final = 0.25  # before the next address of a host is tried beside the first
KEEP_ALIVE_S: Final = 15.0
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
SAME_METHOD: Final = frozenset({307, 308})
MOST_REDIRECTS: Final = 5
FIRST_FINAL_STATUS: Final = 200
RESERVED: Final = "%/?:@!$&'()*+,;=~"  # what a path and a query hold as it is
MOST_BYTES: Final = 64 << 20  # the longest answers are some 200 kB, and a request may ask for many
TOO_LARGE: Final = f"the reply is larger than {MOST_BYTES >> 20} MiB"
EITHER_ZLIB_OR_GZIP: Final = 32 + zlib.MAX_WBITS


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


class _Connection(asyncio.Protocol):
    """One connection with one request at a time; httptools calls the ``on_`` methods."""

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reply: asyncio.Future[HttpReply] | None = None
        self._ends_with_connection = False
        self.is_usable = True
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self.transport = transport

    def send(self, request: bytes) -> asyncio.Future[HttpReply]:
        """Write a request; the future is its reply."""
        import httptools

        self._parser: httptools.HttpResponseParser = httptools.HttpResponseParser(self)
        self.on_message_begin()
        self._reply = self._loop.create_future()
        self.transport.write(request)
        return self._reply

    def fail(self, error: Exception) -> None:
        """Give up what is waited for, and the connection."""
        self.is_usable = False
        self.transport.abort()
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error)

    def data_received(self, data: bytes) -> None:
        """Parse; what comes when nothing was asked ends the connection."""
        import httptools

        if self._reply is None or self._reply.done():
            self.is_usable = False
            self.transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(BrokenConnectionError(f"not HTTP: {error}"))

    def on_message_begin(self) -> None:
        """Begin with nothing: a final reply may come after others, and one that nobody asked for behind it."""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._bytes = 0
        self._is_in_head = True
        self._ends_with_connection = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, of several the first; trailers say nothing that is needed."""
        if self._is_in_head:
            self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Note how the body ends."""
        self._is_in_head = False
        is_final = self._parser.get_status_code() >= FIRST_FINAL_STATUS
        self._ends_with_connection = is_final and not {"content-length", "transfer-encoding"} & self._headers.keys()

    def on_body(self, body: bytes) -> None:
        """Keep a piece."""
        self._bytes += len(body)
        if self._bytes > MOST_BYTES:
            self.fail(BrokenConnectionError(TOO_LARGE))
        elif self._reply is not None:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Give the reply; what comes before the final one is passed over."""
        if self._parser.get_status_code() < FIRST_FINAL_STATUS:
            return
        if self._reply is None:  # one that nobody asked for
            self.is_usable = False
            return
        self.is_usable = self.is_usable and self._parser.should_keep_alive()
        self._give()

    def connection_lost(self, error: Exception | None) -> None:
        """End a body of unknown length, or say that the reply is not whole."""
        self.is_usable = False
        if error is None and self._ends_with_connection:
            self._give()
        elif self._reply is not None and not self._reply.done():
            self._reply.set_exception(BrokenConnectionError(str(error or "") or "the server closed the connection"))

    def _give(self) -> None:
        """Give the reply, and keep nothing of it."""
        asked, self._reply = self._reply, None
        if asked is None or asked.done():
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        try:
            body = _plain(body, self._headers.get("content-encoding", ""))
        except (zlib.error, ValueError) as error:
            asked.set_exception(BrokenConnectionError(f"the reply cannot be decompressed: {error}"))
            return
        asked.set_result(HttpReply(self._parser.get_status_code(), self._headers, body))


class _Origin:
    """One server: how it is reached, and its idle connections."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.is_secure = parts.scheme == "https"
        self.host = parts.hostname or ""
        if parts.scheme not in {"http", "https"} or not self.host or parts.port == 0:
            message = f"`{url}` is no address of a server"
            raise UnreachableError(message)
        self.port = parts.port or (443 if self.is_secure else 80)
        self.idle: list[_Connection] = []

    def kept(self, now_s: float) -> _Connection | None:
        """Return the connection that was used last, if it still lives."""
        while self.idle:
            connection = self.idle.pop()
            if connection.is_usable and now_s - connection.idle_since < KEEP_ALIVE_S:
                return connection
            connection.transport.abort()
        return None


class HttpTransport:
    """HTTP/1.1 with kept connections and no limit of its own: the window is the limit."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self._origins: dict[str, _Origin] = {}
        self._heads: dict[tuple[str, str], tuple[_Origin, bytes]] = {}
        self._tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        """Work in the running loop."""
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        for origin in self._origins.values():
            for connection in origin.idle:
                connection.transport.abort()
        await asyncio.sleep(0)  # closed by the loop, in its next turn

    async def post(self, url: str, body: bytes, *, timeout_s: float) -> HttpReply:
        """Send JSON and return the reply."""
        deadline_s = self._loop.time() + timeout_s
        reply = await self._send("POST", url, body, timeout_s)
        # Any other redirect would turn a POST into a GET without its body; what it means is the client's to say.
        if reply.status in SAME_METHOD and (place := reply.headers.get("location")):
            return await self._send("POST", _onward(url, place), body, deadline_s - self._loop.time(), given=url)
        return reply

    async def get(self, url: str, *, timeout_s: float) -> HttpReply:
        """Return the reply to a GET, wherever it is sent on to."""
        deadline_s = self._loop.time() + timeout_s
        reply, onward = await self._send("GET", url, None, timeout_s), url
        for _ in range(MOST_REDIRECTS):
            if reply.status not in REDIRECTS or not (place := reply.headers.get("location")):
                break
            onward = _onward(onward, place)
            reply = await self._send("GET", onward, None, deadline_s - self._loop.time(), given=url)
        return reply

    async def _send(
        self, method: str, url: str, body: bytes | None, timeout_s: float, *, given: str | None = None
    ) -> HttpReply:
        """Send one request, maybe to where a server sends on what was ``given``."""
        origin, head = self._heads.get((method, url)) or self._head(method, url, given)
        request = head + b"\r\n" if body is None else b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
        deadline_s = self._loop.time() + timeout_s
        connection = origin.kept(self._loop.time()) or await self._connect(origin, timeout_s)
        timer = self._loop.call_at(deadline_s, connection.fail, DeadlineError(f"no whole reply in {timeout_s:g} s"))
        try:
            reply = await connection.send(request)
        except BaseException:
            connection.transport.abort()
            raise
        finally:
            timer.cancel()
        if connection.is_usable:
            connection.idle_since = self._loop.time()
            origin.idle.append(connection)
        else:
            connection.transport.abort()
        return reply

    def _head(self, method: str, url: str, given: str | None) -> tuple[_Origin, bytes]:
        """Return the server and all lines but the length; the key is for who was given, not for whom it sends requests on to."""
        try:
            parts = urlsplit(url)
            origin = self._origins.get(f"{parts.scheme}://{parts.netloc}") or _Origin(url)
        except ValueError as error:
            message = f"`{url}` is no address of a server: {error}"
            raise UnreachableError(message) from error
        self._origins[f"{parts.scheme}://{parts.netloc}"] = origin
        target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=RESERVED)
        lines = {"Host": parts.netloc.rpartition("@")[2], "Accept": "*/*", "Accept-Encoding": "identity"}
        lines |= self._headers if given is None or _is_same_server(given, url) else {}
        lines |= {"Content-Type": "application/json"} if method == "POST" else {}
        written = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        head = f"{method} {target} HTTP/1.1\r\n{written}".encode("latin-1", "replace")
        if given is None:
            self._heads[method, url] = origin, head
        return origin, head

    async def _connect(self, origin: _Origin, timeout_s: float) -> _Connection:
        if origin.is_secure and self._tls is None:
            self._tls = ssl.create_default_context()
        try:
            async with asyncio.timeout(min(CONNECT_TIMEOUT_S, timeout_s)):
                _, connection = await self._loop.create_connection(
                    lambda: _Connection(self._loop),
                    origin.host,
                    origin.port,
                    ssl=self._tls if origin.is_secure else None,
                    happy_eyeballs_delay=HAPPY_EYEBALLS_S,
                )
        except TimeoutError as error:
            message = f"no connection in {min(CONNECT_TIMEOUT_S, timeout_s):g} s"
            raise UnreachableError(message) from error
        except (OSError, UnicodeError) as error:  # a name that no resolver takes is the latter
            raise UnreachableError(getattr(error, "strerror", None) or str(error)) from error
        return connection


def _onward(url: str, place: str) -> str:
    try:
        return urljoin(url, place)
    except ValueError as error:
        message = f"`{url}` sends requests on to `{place}`, which is no address: {error}"
        raise UnreachableError(message) from error


def _is_same_server(given: str, other: str) -> bool:
    """Whether a key may go along: to the same port, or from http to https on the same host."""
    one, two = urlsplit(given), urlsplit(other)
    if one.hostname != two.hostname:
        return False
    return (one.scheme, one.port) == (two.scheme, two.port) or (one.scheme, two.scheme) == ("http", "https")


def _plain(body: bytes, coding: str) -> bytes:
    """Undo what was not asked for.

    Raises
    ------
    zlib.error, ValueError
        When it is cut or of another kind, or larger than any reply is.
    """
    name = coding.strip().lower()
    if name in {"", "identity"}:
        return body
    if name not in {"gzip", "x-gzip", "deflate"}:
        message = f"`{coding}` was not asked for"
        raise ValueError(message)
    found: list[bytes] = []
    while body:  # gzip may come in several members
        member = zlib.decompressobj(EITHER_ZLIB_OR_GZIP)
        found.append(member.decompress(body, MOST_BYTES + 1 - sum(map(len, found))))
        if sum(map(len, found)) > MOST_BYTES:
            raise ValueError(TOO_LARGE)
        if not member.eof:
            message = "it is cut"
            raise ValueError(message)
        body = member.unused_data
    return b"".join(found)
