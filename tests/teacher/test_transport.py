"""Bytes over real sockets: what a reply may look like, and what may break."""

import asyncio
import contextlib
import datetime as dt
import gzip
import ipaddress
import itertools
import ssl
import zlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_pipeline.teacher.transport import (
    MOST_BYTES,
    BrokenConnectionError,
    DeadlineError,
    HttpReply,
    HttpTransport,
    UnreachableError,
    _is_same_server,
)

T = TypeVar("T")
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\nhello"
PACKED = gzip.compress(b"hello")
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(PACKED), PACKED)
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN
CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"


class Server:
    """Answers each request with the next bytes, in pieces, and notes what it was sent."""

    def __init__(self, *replies: bytes, piece: int = 1 << 20, closes: bool = False) -> None:
        self.replies, self.piece, self.closes = list(replies), piece, closes
        self.requests: list[bytes] = []
        self.connections = 0
        self.running: list[asyncio.Task[None] | None] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self.running.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.converse(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read and answer."""
        while self.replies:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0] or 0)
            self.requests.append(head + await reader.readexactly(length))
            reply = self.replies.pop(0)
            for start in range(0, len(reply), self.piece):
                writer.write(reply[start : start + self.piece])
                await asyncio.sleep(0)
            if self.closes or b"Connection: close" in reply:
                break
        else:
            await reader.read(1)  # until the client goes


def talk(
    serve: Server,
    work: Callable[[HttpTransport, str], Awaitable[T]],
    *,
    headers: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> T:
    """Do something with a transport while the server serves."""

    async def main() -> T:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        try:
            async with HttpTransport(headers or {}) as transport:
                return await work(transport, f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1")
        finally:
            server.close()
            await asyncio.gather(*filter(None, serve.running))

    return asyncio.run(main())


def asked(serve: Server, timeout_s: float = 5.0) -> HttpReply:
    """Post once."""
    return talk(serve, lambda transport, url: transport.post(f"{url}/x?y=1", b"{}", timeout_s=timeout_s))


@pytest.mark.parametrize("reply", [PLAIN, CHUNKED, GZIPPED, CONTINUED, CLOSED])
@settings(max_examples=8, deadline=None)
@given(piece=st.integers(1, 60))
def test_a_reply_is_the_same_however_it_comes(reply: bytes, piece: int) -> None:
    """Length, chunks, compression, a first 100 and any cutting into packets give one body."""
    found = asked(Server(reply, piece=piece))
    assert (found.status, found.body) == (200, b"hello")


def test_a_body_may_end_with_its_connection() -> None:
    """Without a length the end of the connection is the end of the body."""
    assert asked(Server(UNTIL_CLOSED, closes=True)).body == b"hello"


def test_a_request_is_what_a_server_expects() -> None:
    """Path, host, key, kind and length are there, and the body follows."""
    serve = Server(PLAIN)
    reply = talk(
        serve, lambda t, url: t.post(f"{url}/x?y=1", b"{1}", timeout_s=5), headers={"Authorization": "Bearer k"}
    )
    head, _, body = serve.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert {b"Authorization: Bearer k", b"Content-Type: application/json", b"Content-Length: 3"} <= {
        *head.split(b"\r\n")
    }
    assert (body, reply.headers["x-a"]) == (b"{1}", "1")


@pytest.mark.parametrize(
    ("reply", "closes"),
    [(PLAIN[:-1], True), (CHUNKED[:-9], True), (b"", True), (b"\x00\x00\x12\x04garbage", False), (GZIPPED[:-9] + b"!" * 9, False)],
)  # fmt: skip
def test_half_a_reply_is_a_broken_connection(reply: bytes, *, closes: bool) -> None:
    """What is cut off, or is not HTTP, is never taken for an answer."""
    with pytest.raises(BrokenConnectionError):
        asked(Server(reply, closes=closes))


def test_a_late_reply_is_a_passed_deadline() -> None:
    """A server that says nothing, or stops in the middle, is not waited for longer."""
    with pytest.raises(DeadlineError, match=r"no whole reply in 0\.05 s"):
        asked(Server(PLAIN[:-1]), timeout_s=0.05)


def test_nobody_listening_is_unreachable() -> None:
    """The reason is in the message."""

    async def ask() -> None:
        async with HttpTransport({}) as transport:
            await transport.post("http://127.0.0.1:9/v1", b"{}", timeout_s=5)

    with pytest.raises(UnreachableError, match=r"Connect call failed"):
        asyncio.run(ask())


@pytest.mark.parametrize(("reply", "connections"), [(PLAIN, 1), (CLOSED, 3)])
def test_connections_are_kept_unless_the_server_closes_them(reply: bytes, connections: int) -> None:
    """Requests one after the other share a connection."""

    async def three(transport: HttpTransport, url: str) -> None:
        for _ in range(3):
            await transport.post(url, b"{}", timeout_s=5)

    serve = Server(reply, reply, reply)
    talk(serve, three)
    assert serve.connections == connections


def test_requests_at_once_do_not_mix() -> None:
    """Each gets the reply to itself, on a connection of its own."""

    class Echo(Server):
        async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
            body = await reader.readexactly(length)
            await asyncio.sleep(0.001 * (int(body) % 7))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (length, body))
            await reader.read(1)

    async def many(transport: HttpTransport, url: str) -> Sequence[HttpReply]:
        return await asyncio.gather(*(transport.post(url, b"%d" % number, timeout_s=9) for number in range(50)))

    assert [reply.body for reply in talk(Echo(), many)] == [b"%d" % number for number in range(50)]


def test_a_cancelled_request_leaves_no_reply_to_the_next() -> None:
    """Its connection is given up: what comes late is nobody's."""

    async def cancel_then_ask(transport: HttpTransport, url: str) -> HttpReply:
        first = asyncio.ensure_future(transport.post(url, b"{}", timeout_s=5))
        await asyncio.sleep(0.05)
        first.cancel()
        return await transport.post(url, b"{}", timeout_s=5)

    late = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    serve = Server(late, PLAIN)
    assert talk(serve, cancel_then_ask).body == b"hello"
    assert serve.connections == 2


def test_the_key_does_not_follow_a_get_to_another_host() -> None:
    """A probe that is sent on elsewhere goes without it."""
    serve = Server(PLAIN)

    async def ask(transport: HttpTransport, url: str) -> HttpReply:
        port = url.rsplit(":", 1)[1].partition("/")[0]
        first = Server(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%s/m\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            % port.encode()
        )
        other = await asyncio.start_server(first, "127.0.0.1", 0)
        reply = await transport.get(f"http://localhost:{other.sockets[0].getsockname()[1]}/v1", timeout_s=5)
        other.close()
        await asyncio.gather(*filter(None, first.running))
        return reply

    assert talk(serve, ask, headers={"Authorization": "Bearer k"}).body == b"hello"
    assert b"Authorization" not in serve.requests[0]


def test_every_host_that_was_given_gets_the_key() -> None:
    """Several servers behind one transport, whichever is asked first, by either method."""
    serve = Server(PLAIN, PLAIN, PLAIN, PLAIN)

    async def ask(transport: HttpTransport, url: str) -> HttpReply:
        for host in ("127.0.0.1", "localhost"):
            there = url.replace("127.0.0.1", host)
            await transport.get(there, timeout_s=5)
            reply = await transport.post(there, b"{}", timeout_s=5)
        return reply

    assert talk(serve, ask, headers={"Authorization": "Bearer k"}).body == b"hello"
    assert [b"Authorization: Bearer k\r\n" in request for request in serve.requests] == [True] * 4


@pytest.mark.parametrize(
    ("given", "other", "goes"),
    [
        ("http://a/v1", "http://a/v2", True),
        ("http://a/v1", "https://a/v1", True),
        ("https://a/v1", "http://a/v1", False),
        ("https://a/v1", "https://a:8443/v1", False),
        ("https://a/v1", "https://b/v1", False),
    ],
)
def test_a_key_goes_to_the_same_server_only(given: str, other: str, goes: bool) -> None:  # noqa: FBT001 - a parameter
    """Never in plain text where it was to be encrypted, nor to another port."""
    assert _is_same_server(given, other) is goes


@pytest.mark.parametrize(
    "place", [b"http://host:99999/", b"http://[::1", b"http://a..b/", b"ftp://host/", b"mailto:x", b"http://h:0/"]
)
def test_a_redirect_to_no_address_is_unreachable(place: bytes) -> None:
    """One of the declared errors, and no traceback of a parser."""
    serve = Server(b"HTTP/1.1 307 Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % place)
    with pytest.raises(UnreachableError):
        asked(serve)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
    ],
)
def test_a_reply_before_the_final_one_is_none(reply: bytes) -> None:
    """When the server goes after it, the connection broke."""
    with pytest.raises(BrokenConnectionError):
        asked(Server(reply, closes=True))


@pytest.mark.parametrize("coding", [b"gzip", b"GZIP", b"x-gzip", b"deflate"])
def test_compressed_replies_come_out_whole(coding: bytes) -> None:
    """Under any name that servers write, and in several members."""
    packed = zlib.compress(b"hello") if coding == b"deflate" else gzip.compress(b"he") + gzip.compress(b"llo")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (coding, len(packed))
    assert asked(Server(head + packed)).body == b"hello"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"br", b"x"),
        (b"gzip", PACKED[:-4]),
        (b"gzip", gzip.compress(bytes(MOST_BYTES + 1))),
        (b"identity", bytes(MOST_BYTES + 1)),
    ],
    ids=["not asked for", "cut", "a bomb", "too large"],
)
def test_a_body_that_cannot_be_taken_is_a_broken_connection(coding: bytes, body: bytes) -> None:
    """Nothing is handed on raw or cut, and nothing fills the memory."""
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (coding, len(body))
    with pytest.raises(BrokenConnectionError):
        asked(Server(head + body, closes=True), timeout_s=60)


def test_trailers_and_a_second_reply_are_not_of_the_first() -> None:
    """What comes behind a body says nothing of it, and a reply that nobody asked for ends the connection."""
    trailed = CHUNKED.replace(b"Trailer: 1", b"Content-Encoding: gzip")
    assert asked(Server(trailed)).body == b"hello"
    double = PLAIN + PLAIN.replace(b"X-A: 1", b"Retry-After: 99")
    serve = Server(double, PLAIN)

    async def twice(transport: HttpTransport, url: str) -> HttpReply:
        reply = await transport.post(url, b"{}", timeout_s=5)
        await transport.post(url, b"{}", timeout_s=5)
        return reply

    assert "retry-after" not in talk(serve, twice).headers
    assert serve.connections == 2


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_post_takes_the_key_along_on_its_own_host_only(host: str) -> None:
    """And the host that it was sent on to gets it when it is given itself."""
    serve = Server(
        b"HTTP/1.1 307 Go\r\nLocation: http://%b:PORT/v2\r\nContent-Length: 0\r\n\r\n" % host.encode(), PLAIN, PLAIN
    )

    async def ask(transport: HttpTransport, url: str) -> HttpReply:
        port = url.rsplit(":", 1)[1].partition("/")[0]
        serve.replies = [reply.replace(b"PORT", port.encode()) for reply in serve.replies]
        await transport.post(url, b"{}", timeout_s=5)
        return await transport.post(f"http://{host}:{port}/v2", b"{}", timeout_s=5)

    talk(serve, ask, headers={"Authorization": "Bearer k"})
    assert [b"Authorization" in request for request in serve.requests] == [True, host == "127.0.0.1", True]


def test_a_redirect_that_keeps_the_method_is_followed() -> None:
    """A 307 is asked again there, with the body."""
    serve = Server(b"HTTP/1.1 307 Go\r\nLocation: /v2\r\nContent-Length: 0\r\n\r\n", PLAIN)
    assert asked(serve).body == b"hello"
    assert serve.requests[1].startswith(b"POST /v2 ")
    assert serve.requests[1].endswith(b"{}")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate of 127.0.0.1 that nobody else signed, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "teacher")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_tls_with_a_certificate_that_is_trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole replies through TLS, also in pieces; SSL_CERT_FILE names further authorities, as everywhere."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    body = bytes(itertools.islice(itertools.cycle(range(256)), 300_000))
    serve = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body, piece=9_999)
    assert talk(serve, lambda transport, url: transport.post(url, b"{}", timeout_s=9), tls=tls).body == body


def test_tls_with_a_stranger_is_refused(certificate: Path) -> None:
    """A certificate that no authority signed is named as the reason; nothing is sent."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    serve = Server(PLAIN)
    with pytest.raises(UnreachableError, match=r"(?i)certificate"):
        talk(serve, lambda transport, url: transport.post(url, b"{}", timeout_s=9), tls=tls)
    assert not serve.requests
