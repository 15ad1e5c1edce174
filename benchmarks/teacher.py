"""What one completion costs the client: ours (durable), the ``openai`` package, curator, and a bare asyncio client as the ceiling.

One run, one server: 30 kB of content after 200 ms, HTTP/1.1 with kept connections, 1,024 requests in flight, as in
the facts this project started from. CPU is that of the client's process alone (user and system, all threads). The
ledger's share is measured on its own, memory at one million queued requests, and the window over time as a plot.

    python benchmarks/teacher.py [--requests 8000] [--in-flight 1024] [--queued 1000000] [--plot FILE.png] [--curator PYTHON]

curator (``pip install bespokelabs-curator``) pins much and has an environment of its own, whose Python ``--curator`` names.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import orjson
import pyarrow as pa

from ocr_pipeline.teacher import Asking, GenerateConfig, Message, Request, ask, generate, session
from ocr_pipeline.teacher.ledger import Ledger
from ocr_pipeline.teacher.records import Record
from ocr_pipeline.teacher.reply import Answer, Usage
from ocr_pipeline.teacher.servers import attach, free_port

LATENCY_S = 0.2
PLOTTED_LATENCY_S = 2.0  # at 0.2 s the client's CPU is the limit, and the picture would show that
CONTENT_CHARACTERS = 30_000
MODEL = "bench/model"


def content() -> str:
    """Return text that compresses as reasoning does: words of a vocabulary, about 0.4 of its size."""
    import random

    choose = random.Random(1)  # noqa: S311 - a text, not a secret
    words = ["".join(choose.choices("abcdefghijklmnopqrstuvwxyz", k=choose.randint(1, 9))) for _ in range(3000)]
    text = " ".join(choose.choices(words, k=CONTENT_CHARACTERS // 5))
    return f"<think>\n{text[:CONTENT_CHARACTERS]}\n</think>\n\nanswer"


def completion() -> bytes:
    """Return one whole chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content()}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 500, "completion_tokens": 8000, "total_tokens": 8500}
    return orjson.dumps(
        {"id": "x", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], "usage": usage}
    )


class Protocol(asyncio.Protocol):
    """The cheapest HTTP server that answers: it only finds the end of a request."""

    def __init__(self, replies: dict[bytes, bytes], latency_s: float) -> None:
        self._replies = replies
        self._latency_s = latency_s
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request later."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            is_post = head.startswith(b"post")
            wait_s = self._latency_s if is_post else 0.0
            asyncio.get_running_loop().call_later(wait_s, self._send, self._replies[b"post" if is_post else b"get"])

    def _send(self, reply: bytes) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._transport.write(reply)  # type: ignore[attr-defined]


def serve(port: int, latency_s: float = LATENCY_S) -> None:
    """Run the server."""
    import uvloop

    def reply(body: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    models = orjson.dumps({"object": "list", "data": [{"id": MODEL}]})
    replies = {b"post": reply(completion()), b"get": reply(models)}

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: Protocol(replies, latency_s), "127.0.0.1", port, backlog=4096
        )
        await server.serve_forever()

    uvloop.run(main())


def problems(count: int) -> Callable[[], Iterator[pa.RecordBatch]]:
    """Return statements of 2 kB, streamed."""

    def stream() -> Iterator[pa.RecordBatch]:
        for start in range(0, count, 512):
            numbers = range(start, min(start + 512, count))
            rows = {
                "problem_id": [f"bench/{n:08}" for n in numbers],
                "statement": [f"{n} " + "word " * 400 for n in numbers],
            }
            yield pa.RecordBatch.from_pydict(rows)

    return stream


class Nowhere:
    """Takes rows and forgets them: Parquet is not what is measured."""

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Forget."""


class Occupancy:
    """Progress that notes how many requests are in flight."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        self._start_s = time.monotonic()

    def advance(self, rows: int = 1, **counts: float) -> None:
        """Note a point."""
        del rows
        self.points.append((time.monotonic() - self._start_s, counts.get("in_flight", 0)))


def durable(url: str, requests: int, in_flight: int) -> None:
    """Hash, look up, ask and commit: until every answer is durable, as the general door does it."""
    asked = (Request((Message("user", f"{n} " + "word " * 450),), {"seed": n}) for n in range(requests))
    config = Asking(model=MODEL, window=in_flight)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        replies = ask(asked, server=attach([url]), ledger=Path(folder) / "l.sqlite", config=config)
        assert next(replies).error is None  # the first reply comes when all are durable
        replies.close()  # type: ignore[attr-defined]


def ours(url: str, requests: int, in_flight: int, occupancy: Occupancy | None = None) -> None:
    """Do the same from problems, and read everything back into the rows of ``responses``."""
    config = GenerateConfig(model=MODEL, language="python", window=in_flight, samples=1)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        where = {"ledger": Path(folder), "dataset": "bench", "writer": Nowhere()}
        counts = generate(
            problems(requests),
            config=config,
            server=attach([url]),
            **where,
            **({"progress": occupancy} if occupancy else {}),
        )  # type: ignore[arg-type]
    assert counts.kept == requests


def prompts(requests: int) -> Iterator[bytes]:
    """Yield bodies of the same size as ours."""
    for number in range(requests):
        yield orjson.dumps({"model": MODEL, "messages": [{"role": "user", "content": f"{number} " + "word " * 450}]})


def bare(url: str, requests: int, in_flight: int) -> None:
    """Write and read on plain asyncio streams: nothing is checked, retried or kept."""
    port = int(url.rsplit(":", 1)[1])
    bodies = prompts(requests)

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        for body in bodies:
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r")[0])
            orjson.loads(await reader.readexactly(length))
        writer.close()

    async def main() -> None:
        await asyncio.gather(*(worker() for _ in range(in_flight)))

    asyncio.run(main())


def openai_default(url: str, requests: int, in_flight: int) -> None:
    """Use the package's own asynchronous client as its documentation shows it; nothing is kept."""
    from openai import AsyncOpenAI

    numbers = iter(range(requests))

    async def main() -> None:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=600) as client:

            async def worker() -> None:
                for number in numbers:
                    message = {"role": "user", "content": f"{number} " + "word " * 450}
                    await client.chat.completions.create(model=MODEL, messages=[message])  # type: ignore[list-item]

            await asyncio.gather(*(worker() for _ in range(in_flight)))

    asyncio.run(main())


CURATOR = r"""
import json, os, resource, sys, tempfile, time
from pathlib import Path
import litellm
url, requests, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
tokenizers = Path(litellm.__file__).parent / "litellm_core_utils" / "tokenizers"  # else it downloads one
os.environ |= {"TELEMETRY_ENABLED": "false", "OPENAI_API_KEY": "none", "TIKTOKEN_CACHE_DIR": str(tokenizers)}
os.environ["CURATOR_CACHE_DIR"] = tempfile.mkdtemp()
from bespokelabs import curator
limits = {"max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**12, "max_retries": 0}
params = {"base_url": url + "/v1", "max_concurrent_requests": in_flight, **limits}

def work(count, first):
    llm = curator.LLM(model_name="bench/model", backend="openai", backend_params=params)
    llm([f"{first + number} " + "word " * 450 for number in range(count)])

work(min(requests, in_flight), 10**6)
before, start_s = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
work(requests, 0)
after = resource.getrusage(resource.RUSAGE_SELF)
cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
per_s = requests / (time.monotonic() - start_s)
print(json.dumps({"client": "curator", "cpu_ms": 1000 * cpu_s / requests, "per_s": per_s, "peak_mib": after.ru_maxrss / 1024}))
"""


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Return CPU and wall seconds of this process."""
    before, start_s = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime), time.monotonic() - start_s


CLIENTS: Final[Mapping[str, Callable[[str, int, int], None]]] = {
    "bare": bare,
    "durable": durable,
    "with rows": ours,
    "openai": openai_default,
}


def in_process(name: str, url: str, requests: int, in_flight: int) -> None:
    """Measure one client in this process and print one line of JSON."""
    work = CLIENTS[name]
    work(url, min(requests, in_flight), in_flight)  # imports, connections and caches are warm afterwards
    cpu_s, wall_s = measured(lambda: work(url, requests, in_flight))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {"client": name, "cpu_ms": 1000 * cpu_s / requests, "per_s": requests / wall_s, "peak_mib": peak_mib}
        )
    )


def ledger_alone(requests: int, group: int) -> float:
    """Return CPU milliseconds per committed answer in groups, in a thread as the session does it."""
    answer = Answer(text=content(), model=MODEL, created_ms=1, latency_s=1.0, attempts=1, usage=Usage(500, 8000))
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder,
        Ledger(Path(folder) / "l.sqlite") as ledger,
    ):

        def commit_all() -> None:
            for start in range(0, requests, group):
                keys = [os.urandom(32).hex() for _ in range(start, min(start + group, requests))]
                ledger.commit([Record(key, key, "{}", {"problem_id": "p"}, answer) for key in keys])

        with ThreadPoolExecutor(1) as pool:
            cpu_s, _ = measured(lambda: pool.submit(commit_all).result())
    return 1000 * cpu_s / requests


def queued(url: str, count: int) -> None:
    """Print the memory of a run over very many requests of which a cap lets only a few be asked."""
    for size in (count // 10, count):
        config = GenerateConfig(model=MODEL, language="python", window=1024, budget_requests=2048)
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
            start_s = time.monotonic()
            generate(
                problems(size), config=config, server=attach([url]), ledger=Path(folder), dataset="b", writer=Nowhere()
            )
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{size:,} queued requests: peak {peak_mib:,.0f} MiB, {time.monotonic() - start_s:.0f} s")


def plot(points: list[tuple[float, float]], path: Path) -> None:
    """Draw how many requests are in flight over time."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3))
    axes.step([second for second, _ in points], [count for _, count in points], where="post")
    axes.set(
        xlabel="seconds",
        ylabel="requests in flight",
        ylim=(0, None),
        title="The window stays full to the end of the queue",
    )
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


@contextlib.contextmanager
def served(latency_s: float) -> Iterator[str]:
    """Serve in a process of its own; gives the address."""
    port = free_port()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port, latency_s), daemon=True)
    server.start()
    time.sleep(3)
    yield f"http://127.0.0.1:{port}"
    server.terminate()


def occupied(url: str, options: argparse.Namespace) -> None:
    """Look twenty times a second how many requests are in flight, and draw it."""
    session.PROGRESS_EVERY_S = 0.05  # type: ignore[misc]
    occupancy = Occupancy()
    ours(url, options.requests * 2, options.in_flight, occupancy)
    plot(occupancy.points, options.plot)
    end_s = occupancy.points[-1][0] - PLOTTED_LATENCY_S
    between = [count for second, count in occupancy.points if 1.0 < second < end_s]
    print(
        f"in flight: mean {statistics.mean(between):.0f}, least {min(between):.0f} in {len(between)} looks before the end"
    )


def compare(url: str, options: argparse.Namespace) -> None:
    """Measure every client in a process of its own, in turns, and print the medians against ours."""
    size = ["--requests", str(options.requests), "--in-flight", str(options.in_flight)]
    clients = {name: [sys.executable, __file__, "--only", name, url, *size] for name in CLIENTS}
    if options.curator:
        clients["curator"] = [options.curator, "-c", CURATOR, url, str(options.requests), str(options.in_flight)]
    costs: dict[str, list[float]] = {name: [] for name in clients}
    for _ in range(options.rounds):
        for name, command in clients.items():
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            line = done.stdout.splitlines()[-1]
            costs[name].append(json.loads(line)["cpu_ms"])
            print(line, flush=True)
    ours_ms = statistics.median(costs["durable"])
    for name, found in costs.items():
        cost_ms = statistics.median(found)
        print(f"{name}: median {cost_ms:.3f} ms of CPU per completion, {cost_ms / ours_ms:.1f} times ours")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=8000)
    parser.add_argument("--in-flight", type=int, default=1024)
    parser.add_argument("--queued", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--curator", metavar="PYTHON")
    parser.add_argument("--only", nargs=2, metavar=("CLIENT", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        in_process(*options.only, options.requests, options.in_flight)
        return
    with served(LATENCY_S) as url:
        compare(url, options)
        print(f"ledger alone, groups of 32: {ledger_alone(2000, 32):.3f} ms of CPU per answer")
        if options.queued:
            queued(url, options.queued)
    if options.plot:
        with served(PLOTTED_LATENCY_S) as url:
            occupied(url, options)


if __name__ == "__main__":
    main()
