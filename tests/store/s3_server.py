"""An S3 server on loopback, for tests: moto's, with one request at a time, and misbehaviour on request.

moto looks at a condition and then puts, which is two steps for it: one request at a time makes them one, as every real storage
promises. ``PUT /_faults`` takes a JSON list of :class:`Fault`; the first that fits a request is used up by it.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BUCKET = "bucket"
CODES = {403: "AccessDenied", 503: "SlowDown"}


@dataclass(frozen=True)
class Fault:
    """What goes wrong, how often, and for which requests."""

    status: int = 0
    """0 answers as usual, after the delay."""
    times: int = 1_000_000
    method: str = ""
    path: str = ""
    delay_s: float = 0.0


@dataclass
class Server:
    """A running server."""

    url: str
    environment: dict[str, str] = field(default_factory=dict)

    def misbehave(self, *faults: Fault) -> None:
        """Replace the faults; none makes it behave."""
        body = json.dumps([asdict(fault) for fault in faults]).encode()
        self._put("_faults", body)

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        self._put(name)

    def _put(self, path: str, body: bytes | None = None) -> None:
        request = urllib.request.Request(f"{self.url}/{path}", body, method="PUT")  # noqa: S310 - our own server
        with urllib.request.urlopen(request):  # noqa: S310
            pass


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.store.s3_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        yield Server(
            url,
            {
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": url,
            },
        )
    finally:
        process.kill()
        process.communicate()


class _OneAtATime:
    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._faults: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/_faults":
            self._faults = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            start("200 OK", [("Content-Length", "0")])
            return [b""]
        fault = self._fault(method, path)
        if fault and fault["delay_s"]:
            time.sleep(fault["delay_s"])
        if fault and fault["status"]:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            code = CODES[fault["status"]]
            body = f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>as ordered</Message></Error>".encode()
            start(
                f"{fault['status']} {code}", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
            )
            return [body]
        with self._lock:
            return list(self._app(environ, start))

    def _fault(self, method: str, path: str) -> dict[str, Any] | None:
        with self._lock:
            for fault in self._faults:
                if fault["times"] and fault["method"] in {"", method} and fault["path"] in path:
                    fault["times"] -= 1
                    return fault
        return None


def main() -> None:
    """Serve until the parent is gone; print the port."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, _OneAtATime(DomainDispatcherApplication(create_backend_app)), threaded=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
