"""Abuse gets a clear status, and the service goes on."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.errors import OptionError
from tests.serving.server import Client, serving

FINE = {"code": "print(1)", "language": "python"}
LIMITS = (
    "--body-mib",
    "1",
    "--body-seconds",
    "1",
    "--tests-per-request",
    "3",
    "--longest-run",
    "5",
    "--queue",
    "2",
    "--longest-request",
    "8",
)


@pytest.fixture(scope="module")
def service() -> Iterator[Client]:
    """Return a service with narrow limits and one worker."""
    with serving(*LIMITS) as client:
        yield client


def goes_on(service: Client) -> None:
    """Require that the service judges as before."""
    status, reply = service.post("/run_code", FINE)
    assert (status, reply["status"]) == (200, "Success")


WRONG: list[tuple[str, Any, int, str]] = [
    ("/run_code", b"{not json", 400, "not JSON"),
    ("/run_code", b"\xff\xfe", 400, "not JSON"),
    ("/run_code", b"[" * 100_000, 400, "not JSON"),
    ("/run_code", b"[]", 422, "must be an object"),
    ("/run_code", {"language": "python"}, 422, "code"),
    ("/run_code", FINE | {"run_timeout": -1}, 422, "run_timeout"),
    ("/run_code", FINE | {"run_timeout": 1_000}, 422, "at most 5 seconds, got 1000"),
    ("/run_code", FINE | {"memory_limit_MB": 10**6}, 422, "at most 4096 MiB"),
    ("/run_code", FINE | {"files": {"../../etc/passwd": "eA=="}}, 422, "files"),
    ("/run_code", FINE | {"fetch_files": ["/etc/passwd"]}, 422, "files"),
    ("/run_code", FINE | {"code": 7}, 422, "code"),
    ("/submit", {"id": 1, "completion": "", "config": {}}, 422, "provided_data"),
    ("/submit", {"id": 1, "completion": "", "config": {"custom_extract_logic": "1"}}, 422, "custom_extract_logic"),
    (
        "/submit",
        {"id": 1, "completion": "", "config": {"provided_data": {"test": [{"input": {"a": "b"}, "output": {}}]}}},
        422,
        "tests of files",
    ),
    ("/submit", {"id": 1, "completion": "", "config": {"provided_data": {"test": "{"}}}, 422, "not JSON"),
    ("/verify", {"response": {}, "verifier_metadata": {}}, 422, "unit_tests"),
    (
        "/verify",
        {"response": {}, "verifier_metadata": {"unit_tests": {"inputs": ["1"], "outputs": []}}},
        422,
        "1 inputs and 0 outputs",
    ),
    ("/verify", {"response": {}, "verifier_metadata": {"unit_tests": {"inputs": [], "outputs": []}}}, 422, "no tests"),
    (
        "/verify",
        {"response": {}, "verifier_metadata": {"unit_tests": {"inputs": ["{"], "outputs": ["1"], "fn_name": "f"}}},
        422,
        "one JSON value a line",
    ),
    ("/judge", {"type": "math", "solution": "1", "expected_output": "1"}, 422, "type"),
    ("/judge/batch", {"submissions": [{"type": "python", "solution": "1"}] * 4}, 422, "at most 3 tests"),
    ("/judge_tests", {"code": "1", "tests": []}, 422, "tests"),
    ("/judge_tests", {"tests": [{"input": "", "expected": ""}]}, 422, "either code or completion"),
    ("/judge_tests", {"code": "1", "tests": [{"input": "", "expected": ""}] * 4}, 422, "at most 3 tests"),
    ("/judge_tests", {"code": "1", "problem": {"x": 1}, "tests": [{"input": "", "expected": ""}]}, 422, "problem.x"),
    (
        "/judge_tests",
        {"code": "1", "problem": {"io_mode": "file", "input_file": "../x"}, "tests": [{"input": "", "expected": "1"}]},
        422,
        "../x",
    ),
    (
        "/judge_tests",
        {"code": "1", "problem": {"io_mode": "interactive"}, "tests": [{"input": "", "expected": "1"}]},
        422,
        "interact",
    ),
    ("/nothing", {}, 404, "Not Found"),
    ("/run_code/../../etc/passwd", {}, 404, "Not Found"),
    ("/%2e%2e/%2e%2e/etc/passwd", {}, 404, "Not Found"),
    ("/health", {}, 405, "Method"),
]


@pytest.mark.parametrize(("path", "body", "status", "said"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_request_gets_one_clear_line(service: Client, path: str, body: Any, status: int, said: str) -> None:
    """The status says whose fault it is, the line names the field and the limit."""
    got, reply = service.post(path, body)
    assert got == status
    assert said in reply["error"]
    assert "\n" not in reply["error"] or status == 422


def test_a_huge_body(service: Client) -> None:
    """It is refused by its announced length, before it is read, and by what arrives where none is announced."""
    status, reply = service.post("/run_code", FINE | {"stdin": "x" * (2 << 20)})
    assert (status, "error" in reply) == (413, True)
    with socket.create_connection(("127.0.0.1", service.port), 10) as connection:
        connection.sendall(b"POST /run_code HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        assert b" 413 " in connection.recv(4096)
    goes_on(service)


def test_a_slow_client(service: Client) -> None:
    """A body that does not arrive in time is refused; others are served meanwhile."""
    with socket.create_connection(("127.0.0.1", service.port), 10) as connection:
        connection.sendall(b"POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        goes_on(service)
        assert b" 408 " in connection.recv(4096)


def test_a_client_that_goes_away(service: Client) -> None:
    """What it asked for does not block the queue for ever."""
    body = json.dumps({"code": "while True: pass", "language": "python", "run_timeout": 1}).encode()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", service.port), 10) as connection:
            connection.sendall(
                b"POST /run_code HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
    deadline = time.monotonic() + 60
    while json.loads(service.get("/health")[1])["in_flight"] and time.monotonic() < deadline:
        time.sleep(0.05)
    goes_on(service)


def test_a_full_queue(service: Client) -> None:
    """Above one running and two waiting programs, requests are asked to come back; none is answered wrongly."""
    body = {"code": "import time\ntime.sleep(1)\nprint(1)", "language": "python"}
    with ThreadPoolExecutor(12) as threads:
        replies = list(threads.map(lambda _: service.post("/run_code", body), range(12)))
    assert {status for status, _ in replies} == {200, 429}
    assert {reply["status"] for status, reply in replies if status == 200} == {"Success"}
    assert 'endpoint="/run_code",status="429"' in service.get("/metrics")[1]


def test_a_killed_worker_is_nobodys_failure(service: Client) -> None:
    """What it had is answered with 503, and a new worker takes over."""
    goes_on(service)
    body = {"code": "import time\ntime.sleep(30)", "language": "python", "run_timeout": 5}
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(service.post, "/run_code", body)
        while not json.loads(service.get("/health")[1])["in_flight"]:
            time.sleep(0.05)
        for child in psutil.Process(service.process.pid).children():
            if "spawn_main" in " ".join(child.cmdline()):
                os.kill(child.pid, signal.SIGKILL)
        status, reply = waiting.result()
    assert (status, "worker" in reply["error"]) == (503, True)
    goes_on(service)


def test_a_request_that_takes_for_ever(service: Client) -> None:
    """A worker is given back after the longest time of a request; nobody calls that a wrong answer."""
    tests = [{"input": str(number), "expected": "1"} for number in range(3)]
    body = {"code": "while True: pass", "problem": {"time_limit_s": 1}, "tests": tests}
    status, reply = service.post("/judge_tests", body)
    assert (status, "longer than 8 seconds" in reply["error"], reply["verdict"]) == (503, True, "not_run")
    goes_on(service)


def test_a_body_that_unpacks_to_too_much(service: Client) -> None:
    """The limit holds for what is unpacked."""
    packed = gzip.compress(b'{"code": "' + b"x" * (64 << 20) + b'"}')
    status, _ = service.post("/run_code", packed, **{"Content-Encoding": "gzip"})
    assert status == 413
    goes_on(service)


def test_a_token() -> None:
    """Without the token nothing is run; health can be probed."""
    token = "secret"
    with serving(token=token) as service:
        goes_on(service)
        stranger = Client(service.url, service.process)
        assert stranger.post("/run_code", FINE)[0] == 401
        assert stranger.post("/run_code", FINE, Authorization="Bearer secret2")[0] == 401
        assert stranger.post("/run_code", FINE, Authorization="Basic secret")[0] == 401
        assert stranger.get("/metrics")[0] == 401
        assert stranger.get("/health")[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104 - refused
def test_others_need_a_token(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that other machines reach does not start without one."""
    monkeypatch.delenv("OCR_JUDGE_TOKEN", raising=False)
    done = CliRunner().invoke(build_app(["serve-judge"]), ["serve-judge", "--port", "0", "--host", host])
    assert isinstance(done.exception, OptionError)
    assert "OCR_JUDGE_TOKEN" in str(done.exception)
