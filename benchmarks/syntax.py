"""How fast code is judged, per CPU second, against a bare Tree-sitter parse of the same code, on one and two cores.

Sources are synthetic Python programs of 40 to 120 lines, 2 % of them broken. Run: ``python benchmarks/syntax.py [N]``.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable

import pyarrow as pa
import tree_sitter
import tree_sitter_python

from benchmarks.separate import cpu_s
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.samples.compilers import python_compiler
from ocr_pipeline.samples.syntax import Source, judge_syntax
from ocr_pipeline.tables import Language

CHUNK = 256
REPEATS = 3


def program(source: random.Random) -> bytes:
    """Return one program."""
    lines = ["import sys", "", "def main():", "    values = [int(word) for word in sys.stdin.read().split()]"]
    for number in range(source.randrange(35, 115)):
        name = f"item_{source.randrange(40)}"
        lines.append(
            source.choice(
                [
                    f"    {name} = sum(values[{number}:]) * {source.randrange(99)} - len(values)  # step {number}",
                    f"    for index, {name} in enumerate(values):\n        values[index] = {name} % {number + 2}",
                    f"    if values and values[0] > {number}:\n        print({name!r}, file=sys.stderr)",
                ]
            )
        )
    broken = source.random() < 0.02
    return "\n".join([*lines, "", "main(" if broken else "main()"]).encode()


def judge_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Judge a batch of codes, as a worker does."""
    sources = [Source(code, Language.PYTHON) for code in batch["code"].to_pylist()]
    verdicts = [str(report.verdict) for report in judge_syntax(sources)]
    return pa.RecordBatch.from_pydict({"verdict": verdicts})


def chunks(codes: list[bytes]) -> list[list[bytes]]:
    """Cut into what one worker gets at a time."""
    return [codes[start : start + CHUNK] for start in range(0, len(codes), CHUNK)]


def bare_parse(codes: list[bytes]) -> None:
    """Parse, ask for errors, drop the tree."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_python.language()))
    for code in codes:
        _ = parser.parse(code).root_node.has_error


def bare_compile(codes: list[bytes]) -> None:
    """Compile in this process, unprotected."""
    for code in codes:
        try:
            compile(code, "x", "exec")
        except SyntaxError:
            continue


def judged(codes: list[bytes], *, ask_compilers: bool) -> None:
    """Judge in this process."""
    for chunk in chunks(codes):
        list(judge_syntax([Source(code, Language.PYTHON) for code in chunk], ask_compilers=ask_compilers))
    python_compiler().close()


def on_cores(codes: list[bytes], cores: int) -> float:
    """Judge in as many processes as cores, and return the wall time per batch of the second half.

    The first half pays for the start of the processes. They are held to their cores: the compile worker of even a single
    process would take a second one.
    """
    python_compiler().close()
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    batches = [pa.RecordBatch.from_pydict({"code": chunk}) for chunk in chunks(codes)]
    done, start = 0, 0.0
    for done, _ in enumerate(LocalEngine(cores).map(judge_batch, batches), start=1):
        if done == len(batches) // 2:
            start = time.perf_counter()
    os.sched_setaffinity(0, allowed)
    return (time.perf_counter() - start) / (done - len(batches) // 2)


def main() -> None:
    """Print microseconds of CPU per source, the best of three interleaved rounds."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    source = random.Random(3)  # noqa: S311 - synthetic sources
    codes = [program(source) for _ in range(count)]
    paths: dict[str, Callable[[], None]] = {
        "bare Tree-sitter parse": lambda: bare_parse(codes),
        "bare compile": lambda: bare_compile(codes),
        "our Tree-sitter opinion": lambda: judged(codes, ask_compilers=False),
        "both opinions": lambda: judged(codes, ask_compilers=True),
    }
    best = dict.fromkeys(paths, float("inf"))
    for _ in range(REPEATS):
        for name, run in paths.items():
            start = cpu_s()
            run()
            best[name] = min(best[name], cpu_s() - start)
    print(f"{count} programs, {sum(map(len, codes)) / count:.0f} bytes each")
    bare = best["bare Tree-sitter parse"]
    for name, seconds in best.items():
        print(f"{name:26} {seconds / count * 1e6:7.0f} us CPU each   {seconds / bare:5.2f} x bare parse")
    one, two = (min(on_cores(codes, cores) for _ in range(2)) for cores in (1, 2))
    print(f"two processes on two cores: {one / two:.2f} x one on one")


if __name__ == "__main__":
    from benchmarks import syntax  # worker processes have no main module: what they run must be importable

    syntax.main()
