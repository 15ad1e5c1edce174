"""A service in a process of its own, started as a person would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

MAIN = "from ocr_pipeline.cli import main; main()"


@dataclass(frozen=True)
class Client:
    """Asks a service."""

    url: str
    process: subprocess.Popen[str]
    token: str | None = None

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.url.rpartition(":")[2])

    def post(self, path: str, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
        """Send JSON, or bytes as they are; return status and answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask(urllib.request.Request(self.url + path, data=data, headers=headers, method="POST"))  # noqa: S310 - our own server

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:  # noqa: S310 - our own server
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def ask(self, request: urllib.request.Request) -> tuple[int, dict[str, Any]]:
        """Send a request."""
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - our own server
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


@contextmanager
def serving(*options: str, token: str | None = None) -> Iterator[Client]:
    """Start a service on a free port and stop it."""
    command = [sys.executable, "-c", MAIN, "serve-judge", "--port", "0", "--workers", "1", *options]
    environment = os.environ | ({"OCR_JUDGE_TOKEN": token} if token else {})
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "judging at" in line, line
            yield Client(line.split()[2], process, token)
        finally:
            process.terminate()
            process.wait(60)
