"""What one new problem costs, asset by asset, when everything else is there: through Dagster, on real statements and traces.

Statements of CodeContests (165) and TACO (1,000) are ingested, checked against each other, and a server on loopback
answers with reasoning traces and programs of real models, so that samples have their real length. Then one problem is
added to CodeContests and everything is materialized again. The programs belong to other problems, so nearly all fail;
only the four samples of each problem of CodeContests are judged, with short limits. CPU is user and system time of the process and of its workers, without the server's.

    python benchmarks/incremental.py --data FOLDER [--samples 9]

``--data`` is a folder of public rows (OCR_REAL_DATA of the tests); ``--samples`` is per problem of TACO and language.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg  # noqa: TID251 - what is measured is the flow as Dagster runs it
import orjson
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.teacher import MODEL, Protocol
from ocr_pipeline.definitions import build_defs
from ocr_pipeline.store import Store
from ocr_pipeline.tables import RESPONSES, table_named
from ocr_pipeline.teacher.servers import free_port
from resources import RawResource, SandboxResource, StoreResource, TeacherResource

DATASETS: Final = {"code_contests": "code_contests/test_165.parquet", "taco": "taco/test_statements.parquet"}
RAW_NAME: Final = "train.parquet"
NUMBER: Final = "@@@@@@@@@@"
FENCE: Final = re.compile(r"```(?:python|py)\n")
LANGUAGES: Final = ("python", "cpp")
ASSETS: Final = {
    "problems, tests, solutions, rejected": DATASETS,
    "duplicate_pairs": (None,),
    "unique_problems": (None,),
    "contamination": (None,),
    "clean_problems": (None,),
    "responses": [f"{dataset}|{language}" for dataset in DATASETS for language in LANGUAGES],
    "samples": [f"{dataset}|{language}" for dataset in DATASETS for language in LANGUAGES],
    "test_trust": DATASETS,
    "executions": [f"code_contests|{language}" for language in LANGUAGES],
    "reasoning_patterns": [f"{dataset}|{language}" for dataset in DATASETS for language in LANGUAGES],
    "sft_dataset": [f"{dataset}|{language}" for dataset in DATASETS for language in LANGUAGES],
    "funnel": (None,),
}
JUDGED_SAMPLES: Final = 4
"""Of CodeContests, whose samples alone are judged: nearly all are wrong, and many only end at the time limit."""
JUDGE: Final = {"python_time_factor": 0.1, "cpp_time_factor": 0.1, "give_up_after_time_limits": 1, "max_tests": 3}
NEW_STATEMENT: Final = """A gardener waters {n} beds in a row. Bed i needs a_i litres, and a can holds c litres. She fills the can
only at the well at the left end, and a bed is watered in one go. Print how many times she fills the can."""


def completions(data: Path) -> list[bytes]:
    """Return whole chat completions of real reasoning and real programs."""
    thoughts = pq.read_table(data / "traces/reasoning_traces_cc0.parquet")["thinking"].drop_null().to_pylist()
    answers = pq.read_table(data / "traces/o1_mini_answers.parquet")["output"].drop_null().to_pylist()
    usage = {"prompt_tokens": 500, "completion_tokens": 4000, "total_tokens": 4500}
    found = []
    for number, (thought, answer) in enumerate(zip(thoughts, itertools.cycle(answers), strict=False)):
        numbered = FENCE.sub(rf"\g<0># {NUMBER}\n", answer)
        content = f"<think>\nAnswer {NUMBER}.\n{thought}\n</think>\n\n{numbered}"
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        found.append(
            orjson.dumps(
                {
                    "id": str(number),
                    "object": "chat.completion",
                    "created": 1,
                    "model": MODEL,
                    "choices": [choice],
                    "usage": usage,
                }
            )
        )
    return found


def serve(port: int, data: Path) -> None:
    """Answer each request with the next completion, with a number in reasoning and program: no two are equal."""
    import asyncio

    def reply(body: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    models = reply(orjson.dumps({"object": "list", "data": [{"id": MODEL}]}))
    turns = itertools.cycle([reply(body) for body in completions(data)])
    numbers = itertools.count(1)

    class Replies(dict[bytes, bytes]):
        def __getitem__(self, method: bytes) -> bytes:
            return next(turns).replace(NUMBER.encode(), b"%010d" % next(numbers)) if method == b"post" else models

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Protocol(Replies(), 0.0), "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(main())


def cpu_s(server: int) -> float:
    """Return user and system time of this process, of its workers and of what ended; without the server."""
    here = psutil.Process()
    workers = [child.cpu_times() for child in here.children(recursive=True) if child.pid != server]
    return sum(sum(one[:4]) for one in [here.cpu_times(), *workers])  # user, system and those of ended children


class Flow:
    """Materializes the assets of a root, one job after the other."""

    def __init__(
        self, root: Path, raw: Path, url: str, server: int, samples: int, instance: dg.DagsterInstance
    ) -> None:
        """Assemble the definitions."""
        self.root, self.server = root, server
        self.defs = {
            count: build_defs(
                store=StoreResource(root=str(root)),
                raw_files=RawResource(root=str(raw)),
                teacher=TeacherResource(urls=[url], model=MODEL, samples=count, window=64),
                sandbox=SandboxResource(**JUDGE),
            )
            for count in (samples, JUDGED_SAMPLES)
        }
        self.samples = samples
        self.instance = instance

    def run(self, names: str, partition: str | None) -> None:
        """Materialize one partition with its checks."""
        keys = [dg.AssetKey(name) for name in names.split(", ")]
        is_judged = str(partition).startswith("code_contests")
        defs = self.defs[JUDGED_SAMPLES if is_judged else self.samples]
        job = defs.resolve_implicit_job_def_def_for_assets(keys)
        assert job is not None
        job.execute_in_process(instance=self.instance, asset_selection=keys, partition_key=partition)

    def versions(self, names: str) -> dict[str, str]:
        """Return the content of every partition."""
        store, found = Store(self.root), {}
        for name in names.split(", "):
            table = table_named(name)
            for keys in store.partitions(table):
                manifest = store.manifest(table, **keys)
                found[f"{name} {keys}"] = manifest.content_sha256 if manifest else ""
        return found

    def everything(self) -> dict[str, tuple[float, float, int]]:
        """Materialize everything; return CPU seconds, wall seconds and partitions with new content, by asset."""
        found = {}
        for names, partitions in ASSETS.items():
            before, cpu, wall = self.versions(names), cpu_s(self.server), time.monotonic()
            for partition in partitions:
                self.run(names, partition)
            spent = cpu_s(self.server) - cpu, time.monotonic() - wall
            after = self.versions(names)
            found[names] = (*spent, sum(before.get(key) != version for key, version in after.items()))
            print(f"  {names}: {spent[0]:.1f} s of CPU, {spent[1]:.1f} s", flush=True)
        return found


def add_problem(raw: Path) -> None:
    """Add one problem to CodeContests, in a file of its own with the columns of the other."""
    path = raw / "code_contests" / RAW_NAME
    rows = pq.read_table(path)
    new = rows.slice(0, 1).to_pylist()[0] | {"problem": NEW_STATEMENT, "inputs": ["3 5\n2 2 2\n"], "outputs": ["2\n"]}
    pq.write_table(pa.concat_tables([rows, pa.Table.from_pylist([new], rows.schema)]), path)


@contextmanager
def server(data: Path) -> Iterator[tuple[str, int]]:
    """Run the teacher in a process of its own."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, data), daemon=True)
    process.start()
    time.sleep(3)
    try:
        yield f"http://127.0.0.1:{port}/v1", process.pid or 0
    finally:
        process.kill()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=os.environ.get("OCR_REAL_DATA"))
    parser.add_argument("--samples", type=int, default=9)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder,
        dg.DagsterInstance.local_temp(folder) as instance,
        server(given.data) as (url, pid),
    ):
        root, raw = Path(folder) / "data", Path(folder) / "raw"
        for dataset, name in DATASETS.items():
            (raw / dataset).mkdir(parents=True)
            (raw / dataset / RAW_NAME).write_bytes((given.data / name).read_bytes())
        flow = Flow(root, raw, url, pid, given.samples, instance)
        passes = {}
        for title in ("all", "unchanged", "one new problem"):
            print(title, flush=True)
            if title == "one new problem":
                add_problem(raw)
            passes[title] = flow.everything()
        rows = Store(root).open(RESPONSES).count_rows()
        size = sum(path.stat().st_size for path in root.rglob("*.parquet"))
    print(f"\n{rows:,} responses, {size / 2**20:,.0f} MiB of Parquet\n")
    print("| asset | all: CPU-s | unchanged | one new problem | partitions with new content |\n|---|--:|--:|--:|--:|")
    for names in ASSETS:
        cpu = [passes[title][names][0] for title in passes]
        print(f"| {names} | {cpu[0]:,.1f} | {cpu[1]:,.1f} | {cpu[2]:,.1f} | {passes['one new problem'][names][2]} |")


if __name__ == "__main__":
    main()
