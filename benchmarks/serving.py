"""The judge as a service beside a server that starts a bare subprocess per test: verdicts, and tests a second.

    python benchmarks/serving.py [--programs 64] [--tests 10] [--clients 64] [--workers 2]

Both are asked in SandboxFusion's words, one test a request, by the same clients in turn; the service once more with all
tests of a program in one request. Programs read a line of numbers and print their sum; each is another one, so that nothing
is compiled twice between programs. The tricky ones say which verdict is right. Ratios count on a machine that others use.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

ADD = "print(sum(map(int, input().split())))\n"
LEFT = Path("/tmp/ocr-benchmark-left")  # noqa: S108 - what a program writes, and the host must not have
TRICKY: list[tuple[str, str, str, bool]] = [
    ("reads the buffer twice", "import sys\nsys.stdin.buffer.readline()\nprint(sys.stdin.buffer.readline().strip().decode())\n", "1\n3\n", True),
    ("ends with os._exit", "import os\nprint(3, flush=True)\nos._exit(0)\n", "", True),
    ("300 kB of output", "print('3' + ' ' * 300_000)\n", "", True),
    ("catches the alarm", "import signal, time\nsignal.signal(signal.SIGALRM, lambda *_: None)\nwhile True:\n    pass\n", "", False),
    ("800 MB of memory", "x = bytearray(800 << 20)\nprint(3)\n", "", False),
    ("leaves a file behind", f"open('{LEFT}', 'w').write('x')\nprint(3)\n", "", True),
    ("asks the network", "import socket\nsocket.create_server(('127.0.0.1', 0))\nprint(3)\n", "", False),
]  # fmt: skip
"""Name, program, input, and whether printing 3 is to count; none may leave anything on the host."""
Ask = Callable[[str, str], Awaitable[dict[str, Any]]]


async def bare(request: web.Request) -> web.Response:
    """Run a program as most servers do: a subprocess, its output, a wall clock."""
    body = await request.json()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", body["code"], stdin=-1, stdout=-1, stderr=-1)
    try:
        wait = process.communicate(body["stdin"].encode())
        stdout, stderr = await asyncio.wait_for(wait, body["run_timeout"])
        status = "Finished"
    except TimeoutError:
        process.kill()
        await process.wait()
        stdout, stderr, status = b"", b"", "TimeLimitExceeded"
    run = {"status": status, "return_code": process.returncode, "stdout": stdout.decode(), "stderr": stderr.decode()}
    return web.json_response({"status": "Success" if process.returncode == 0 else "Failed", "run_result": run})


def asker(session: aiohttp.ClientSession, url: str) -> Ask:
    """Return how to run one program at a server."""

    async def ask(code: str, stdin: str) -> dict[str, Any]:
        body = {"code": code, "language": "python", "stdin": stdin, "run_timeout": 5, "memory_limit_MB": 512}
        async with session.post(f"{url}/run_code", json=body) as reply:
            answer: dict[str, Any] = await reply.json()
            return answer

    return ask


def is_accepted(reply: dict[str, Any], expected: str) -> bool:
    """Compare as verl's client does."""
    run = reply.get("run_result") or {}
    return reply.get("status") == "Success" and str(run.get("stdout")).strip() == expected


async def is_right(ask: Ask, code: str, stdin: str, *, wanted: bool) -> bool:
    """Say whether a tricky program gets what it deserves, and leaves nothing."""
    accepted = is_accepted(await ask(code, stdin), "3")
    return accepted == wanted and not left_something()


def left_something() -> bool:
    """Say whether a program left its file, and remove it."""
    left = LEFT.exists()
    LEFT.unlink(missing_ok=True)
    return left


async def all_of(jobs: Sequence[Callable[[], Awaitable[bool]]], clients: int) -> tuple[float, int]:
    """Do all jobs, so many at a time; return the seconds and how many said yes."""
    slots = asyncio.Semaphore(clients)

    async def one(job: Callable[[], Awaitable[bool]]) -> bool:
        async with slots:
            return await job()

    started = time.monotonic()
    answers = await asyncio.gather(*(one(job) for job in jobs))
    return time.monotonic() - started, sum(answers)


async def measure(ours: str, theirs: str, options: argparse.Namespace) -> None:
    """Print the two tables."""
    limit = aiohttp.TCPConnector(limit=options.clients)
    async with aiohttp.ClientSession(connector=limit, timeout=aiohttp.ClientTimeout(total=None)) as session:
        servers = {"service": asker(session, ours), "bare subprocess": asker(session, theirs)}
        for name, code, stdin, wanted in TRICKY:
            said = {server: await is_right(ask, code, stdin, wanted=wanted) for server, ask in servers.items()}
            print(f"{name:24}", *(f"{server}: {'right' if right else 'WRONG':8}" for server, right in said.items()))
        programs = [f"{ADD}# {number}\n" for number in range(options.programs)]
        for server, ask in servers.items():
            jobs = [_test(ask, code, number) for code in programs for number in range(options.tests)]
            seconds, right = await all_of(jobs, options.clients)
            print(f"{server:24} {len(jobs) / seconds:8.1f} tests/s, {right} of {len(jobs)} accepted")
        jobs = [_all_tests(session, ours, code, options.tests) for code in programs]
        seconds, right = await all_of(jobs, options.clients)
        tests = options.programs * options.tests
        print(f"{'service, whole programs':24} {tests / seconds:8.1f} tests/s, {right} of {len(jobs)} accepted")


def _test(ask: Ask, code: str, number: int) -> Callable[[], Awaitable[bool]]:
    async def job() -> bool:
        return is_accepted(await ask(code, f"{number} 1\n"), str(number + 1))

    return job


def _all_tests(session: aiohttp.ClientSession, url: str, code: str, count: int) -> Callable[[], Awaitable[bool]]:
    async def job() -> bool:
        tests = [{"input": f"{number} 1\n", "expected": f"{number + 1}\n"} for number in range(count)]
        async with session.post(f"{url}/judge_tests", json={"code": f"{code}# whole\n", "tests": tests}) as reply:
            return bool((await reply.json())["verdict"] == "accepted")

    return job


async def main() -> None:
    """Start both servers, measure, stop them."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("programs", 64), ("tests", 10), ("clients", 64), ("workers", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    app = web.Application()
    app.router.add_post("/run_code", bare)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    theirs = f"http://127.0.0.1:{runner.addresses[0][1]}"
    command = [sys.executable, "-c", "from ocr_pipeline.cli import main; main()", "serve-judge", "--port", "0"]
    service = subprocess.Popen(  # noqa: ASYNC220 - before anything is measured
        [*command, "--workers", str(options.workers), "--queue", "100000"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert service.stdout is not None
        ours = service.stdout.readline().split()[2]
        await measure(ours, theirs, options)
    finally:
        service.terminate()
        service.wait()
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
