"""How fast responses come apart, per CPU second, against a regular expression over the whole row.

Rows are synthetic, 30 kB on average: seeded words as reasoning, with signs of code among them or without, a program in
a fence. With the folder of public rows in ``OCR_REAL_DATA`` real traces are measured too. Every path reads the same
responses, as the pipeline writes them, and writes Parquet. Run: ``python benchmarks/separate.py [ROWS]``.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ocr_pipeline.answers import FencePolicy, separate_text
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.samples import SampleConfig, separate
from ocr_pipeline.samples.compilers import python_compiler
from ocr_pipeline.samples.step import each_text, separation_columns
from ocr_pipeline.store import FileWriter, open_files
from ocr_pipeline.tables import RESPONSES, SAMPLES, Language

NEEDED = ("request_id", "problem_id", "language", "text")
WHOLE_ROW = re.compile(r"<think>(.*?)</think>.*?```[^\n]*\n(.*?)\n```", re.DOTALL)
WHOLE_ROW_ARROW = r"(?s)<think>(?P<reasoning>.*?)</think>.*?```[^\n]*\n(?P<code>.*?)\n```"
REPEATS = 3
MEMORY_TIMES = (1, 8)


def cpu_s() -> float:
    """Return the CPU time of this process and the children that it has waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def response(source: random.Random, words: list[str]) -> str:
    """Return one response: about 30 kB of reasoning in lines, an explanation, a program of 40 lines."""
    count = max(200, int(source.lognormvariate(8.45, 0.5)))
    picked = source.choices(words, k=count)
    lines = [" ".join(picked[start : start + 14]) for start in range(0, count, 14)]
    body = "\n".join(f"    total += values[{line}] * {source.randrange(99)}" for line in range(40))
    code = f"import sys\n\n\ndef main():\n    values = list(map(int, sys.stdin.read().split()))\n    total = 0\n{body}\n    print(total)\n\n\nmain()"
    return f"<think>\n{chr(10).join(lines)}\n</think>\n\nThe answer:\n\n```python\n{code}\n```\n\nDone."


def synthetic(rows: int, *, signs: bool) -> list[str]:
    """Return synthetic responses, with about one `<` and two backticks per kB of reasoning or without."""
    source = random.Random(7)  # noqa: S311 - synthetic rows
    words = ["".join(source.choices("etaoinshrdlucmfw", k=source.randrange(2, 9))) for _ in range(4_000)]
    if signs:
        words[:40] = ["i<n", "`dp[i]`"] * 20
    return [response(source, words) for _ in range(rows)]


def thoughts(folder: Path) -> Iterator[tuple[str | None, str | None]]:
    """Yield thought and answer of the public reasoning traces."""
    table = pq.read_table(folder / "traces" / "reasoning_traces_cc0.parquet")
    yield from zip(table["thinking"].to_pylist(), table["output"].to_pylist(), strict=True)


def real_traces(folder: Path) -> Iterator[str]:
    """Yield the public traces as they are: two thirds closed, the others without tags or unclosed."""
    for thought, answer in thoughts(folder):
        yield f"<think>\n{thought}\n</think>\n\n{answer}" if thought and answer else thought or answer or ""


def real_thoughts_and_programs(folder: Path) -> Iterator[str]:
    """Yield public thoughts, each before a public answer that holds a program."""
    answers = pq.read_table(folder / "traces" / "o1_mini_answers.parquet")["output"].to_pylist()
    closed = [thought for thought, answer in thoughts(folder) if thought and answer]
    for thought, answer in zip(closed, answers, strict=False):
        yield f"<think>\n{thought}\n</think>\n\n{answer}"


def kinds(rows: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the texts to measure with, by name."""
    yield "words only", synthetic(rows, signs=False)
    yield "words and signs of code", synthetic(rows, signs=True)
    if folder := os.environ.get("OCR_REAL_DATA"):
        for name, texts in (
            ("real traces", real_traces(Path(folder))),
            ("real thoughts, real programs", real_thoughts_and_programs(Path(folder))),
        ):
            yield name, list(itertools.islice(itertools.cycle(texts), rows))


def write_responses(path: Path, texts: Iterable[str]) -> int:
    """Write responses and return the bytes of their text."""
    texts = list(texts)
    rows = len(texts)
    columns = {
        "request_id": [f"{number:064x}" for number in range(rows)],
        "problem_id": [f"p/train/{number // 20}" for number in range(rows)],
        "language": ["python"] * rows,
        "text": pa.array(texts, pa.large_string()),
    }
    narrow = path.with_suffix(".narrow")
    pq.write_table(pa.table(columns), narrow)
    with FileWriter(path, RESPONSES) as writer:
        for batch in rows_of(narrow):
            writer.write(batch)
    narrow.unlink()
    return sum(len(text.encode()) for text in texts)


def rows_of(path: Path) -> Iterator[pa.RecordBatch]:
    """Stream the responses."""
    return open_files([path], RESPONSES, required=NEEDED)


def spans_only(path: Path, out: Path) -> None:
    """Separate and write spans and code: what the regular expressions do, and all named cases."""
    schema = pa.schema([SAMPLES.schema.field(name) for name in ("sample_id", "reasoning_span", "answer_span", "code")])
    with pq.ParquetWriter(out, schema, compression="zstd", compression_level=1, use_dictionary=False) as writer:
        for batch in rows_of(path):
            parts = [separate_text(text, Language.PYTHON, FencePolicy.LAST) for text in each_text(batch["text"])]
            columns = separation_columns(parts) | {"sample_id": batch["request_id"]}
            arrays = [pa.array(columns[field.name], field.type) for field in schema]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def python_regex(path: Path, out: Path) -> None:
    """Match one regular expression over each row as text."""
    schema = pa.schema([("sample_id", pa.string()), ("reasoning", pa.large_string()), ("code", pa.large_string())])
    with pq.ParquetWriter(out, schema, compression="zstd", compression_level=1, use_dictionary=False) as writer:
        for batch in rows_of(path):
            found = [WHOLE_ROW.search(text) for text in batch["text"].to_pylist()]
            groups = [match.groups() if match else (None, None) for match in found]
            reasoning, code = zip(*groups, strict=True)
            columns = [batch["request_id"], pa.array(reasoning, pa.large_string()), pa.array(code, pa.large_string())]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def arrow_regex(path: Path, out: Path) -> None:
    """Match one regular expression over the column in Arrow."""
    writer = None
    for batch in rows_of(path):
        found = pc.extract_regex(batch["text"], WHOLE_ROW_ARROW)
        table = pa.table(
            {"sample_id": batch["request_id"], "reasoning": found.field("reasoning"), "code": found.field("code")}
        )
        writer = writer or pq.ParquetWriter(
            out, table.schema, compression="zstd", compression_level=1, use_dictionary=False
        )
        writer.write_table(table)
    if writer:
        writer.close()


def whole_step(path: Path, out: Path, *, ask_compilers: bool = True) -> None:
    """Run the step as the pipeline runs it: syntax, repetition and duplicates included."""
    config = SampleConfig(ask_compilers=ask_compilers)
    with FileWriter(out, SAMPLES) as writer:
        separate(rows_of(path), config=config, engine=LocalEngine(), writer=writer)
    python_compiler().close()


def read_only(path: Path, out: Path) -> None:
    """Read and decompress, nothing else."""
    del out
    for _ in rows_of(path):
        pass


PATHS: dict[str, Callable[[Path, Path], None]] = {
    "read only": read_only,
    "separate: spans, code, cases": spans_only,
    "python regex over the row": python_regex,
    "arrow regex over the row": arrow_regex,
    "whole step without compile": lambda path, out: whole_step(path, out, ask_compilers=False),
    "whole step": whole_step,
}


def largest_memory_mib(path: Path, out: Path, times: int) -> int:
    """Run the command over the same file so many times in a process of its own, and return its largest memory."""
    command = [sys.executable, "-m", "ocr_pipeline.cli", "separate", *[str(path)] * times, "--out", str(out)]
    process = subprocess.Popen([*command, "--workers", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"`separate` ended with {status}"
    return usage.ru_maxrss // 1024


def main() -> None:
    """Print megabytes of text per CPU second, the best of three interleaved rounds."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_500
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "responses.parquet", Path(folder) / "out.parquet"
        for kind, texts in kinds(rows):
            size = write_responses(path, texts)
            print(f"{kind}: {rows} rows, {size / rows / 1e3:.1f} kB each")
            measure(path, out, rows, size)
        memory = {times: largest_memory_mib(path, out.with_suffix(""), times) for times in MEMORY_TIMES}
    for times, mib in memory.items():
        print(f"largest memory of the command over {rows * times} rows: {mib} MiB")


def measure(path: Path, out: Path, rows: int, size: int) -> None:
    """Print the speed of every path over one file."""
    best = dict.fromkeys(PATHS, float("inf"))
    for _ in range(REPEATS):
        for name, run in PATHS.items():
            start = cpu_s()
            run(path, out)
            best[name] = min(best[name], cpu_s() - start)
    for name, seconds in best.items():
        print(f"  {name:32} {size / 1e6 / seconds:8.0f} MB/CPU-s  {seconds / rows * 1e6:8.0f} us/row")


if __name__ == "__main__":
    main()
