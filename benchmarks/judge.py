"""What isolation costs: the judge against a bare subprocess per test, bubblewrap per test, and a warm fork (the floor).

    python benchmarks/judge.py [--tests 200] [--unloaded]

CPU time comes from a cgroup of its own (v1 ``cpuacct``, needs root), because jails are no children that this process
could wait for; without it only wall times are printed. Everything runs in the same minutes, so ratios hold on a noisy
machine even where absolute figures do not. The program reads a line and prints a number; its own time is measured in
the floor's children, around its execution alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ocr_pipeline.judge import Limits, Runner, run_program
from ocr_pipeline.judge.programs import Program

PYTHON = "n = int(input())\nvalues = [i * i for i in range(n)]\nprint(sum(values))\n"
CPP = '#include <cstdio>\nint main() { int n; long long s = 0; std::scanf("%d", &n); for (int i = 0; i < n; i++) s += 1LL * i * i; std::printf("%lld", s); }\n'
INPUT = b"20\n"
OUTPUT = b"2470"
CGROUPS = Path("/sys/fs/cgroup/cpuacct")
FLOOR = """
import mmap, os, struct, sys, time
own = mmap.mmap(-1, 8)
code = compile(sys.argv[1], "main.py", "exec")
for _ in range(int(sys.argv[2])):
    stdin, stdout = os.memfd_create("in"), os.memfd_create("out")
    os.write(stdin, b"20\\n"); os.lseek(stdin, 0, 0)
    pid = os.fork()
    if pid == 0:
        os.dup2(stdin, 0); os.dup2(stdout, 1)
        begun = time.process_time()
        exec(code, {"__name__": "__main__"})
        sys.stdout.flush()
        own[:] = struct.pack("d", struct.unpack("d", own[:])[0] + time.process_time() - begun)
        os._exit(0)
    os.wait4(pid, 0)
    assert os.pread(stdout, 100, 0).strip() == b"2470"
    os.close(stdin); os.close(stdout)
sys.stderr.write(str(struct.unpack("d", own[:])[0]))
"""


@dataclass(frozen=True)
class Cost:
    """Wall and CPU milliseconds per unit."""

    wall_ms: float
    cpu_ms: float | None


class Meter:
    """Counts the CPU time of this process and everything it starts."""

    def __init__(self) -> None:
        self._usage: Path | None = None
        folder = CGROUPS / f"judge-benchmark-{os.getpid()}"
        try:
            folder.mkdir()
            (folder / "cgroup.procs").write_text(str(os.getpid()))
            self._usage = folder / "cpuacct.usage"
        except OSError:
            print("no cpuacct cgroup can be made: wall times only")

    def cpu_s(self) -> float:
        """Return the CPU time so far."""
        return int(self._usage.read_text()) / 1e9 if self._usage else 0.0

    def measure(self, work: Callable[[], object], units: int, rounds: int = 3) -> Cost:
        """Return the best of some rounds."""
        costs = [self._once(work, units) for _ in range(rounds)]
        cpu = [cost.cpu_ms for cost in costs if cost.cpu_ms is not None]
        return Cost(min(cost.wall_ms for cost in costs), min(cpu) if cpu else None)

    def _once(self, work: Callable[[], object], units: int) -> Cost:
        cpu, wall = self.cpu_s(), time.perf_counter()
        work()
        wall_ms = (time.perf_counter() - wall) / units * 1e3
        return Cost(wall_ms, (self.cpu_s() - cpu) / units * 1e3 if self._usage else None)


def subprocess_loop(command: list[str], tests: int) -> None:
    """Start the program anew for each test, as most harnesses do."""
    for _ in range(tests):
        done = subprocess.run(command, input=INPUT, capture_output=True, check=True)
        assert done.stdout.strip() == OUTPUT


def judged(program: Program, tests: int) -> None:
    """Run the tests of one candidate in its jail."""
    for _ in range(tests):
        assert program.run(INPUT, Limits()).stdout.strip() == OUTPUT


def candidates(runner: Runner, number: int) -> None:
    """Make a jail, run one test, end it; the program is compiled once."""
    with opened(runner, PYTHON, "python") as program:
        for _ in range(number):
            judged(program, 1)
            program.leave()


@contextmanager
def opened(runner: Runner, code: str, language: str) -> Iterator[Program]:
    """Compile a program of this file."""
    program = runner.open(code, language, Limits())
    assert isinstance(program, Program), program
    with program:
        yield program


def scale(arguments: tuple[int, int]) -> float:
    """Judge in a process of its own for some seconds of tests; return the wall time."""
    candidates_to_do, tests = arguments
    with Runner() as runner:
        run_program(PYTHON, "python", [INPUT], runner=runner)
        start = time.perf_counter()
        for _ in range(candidates_to_do):
            run_program(PYTHON, "python", [INPUT] * tests, runner=runner)
        return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=200)
    tests = parser.parse_args().tests
    meter = Meter()
    script = Path("/tmp/ocr-judge-benchmark.py")  # noqa: S108
    script.write_text(PYTHON)
    python = shutil.which("python3", path="/usr/bin") or sys.executable
    costs: dict[str, Cost] = {}
    with Runner() as runner:
        print(f"tier {runner.tier}, {runner.plan.python}")
        with opened(runner, PYTHON, "python") as program:
            judged(program, 20)
            costs["judge, Python test"] = meter.measure(lambda: judged(program, tests), tests)
        with opened(runner, CPP, "cpp") as program:
            judged(program, 20)
            costs["judge, C++ test"] = meter.measure(lambda: judged(program, tests), tests)
        costs["judge, candidate (jail, one test, end)"] = meter.measure(lambda: candidates(runner, 20), 20)
    own_ms = min(subprocess_floor(python, tests) for _ in range(3)) / tests * 1e3
    costs["floor: warm fork"] = meter.measure(lambda: subprocess_floor(python, tests), tests)
    costs["subprocess python3"] = meter.measure(lambda: subprocess_loop([python, str(script)], 30), 30)
    costs["subprocess python3 -I -S"] = meter.measure(
        lambda: subprocess_loop([python, "-I", "-S", str(script)], 30), 30
    )
    if shutil.which("bwrap"):
        jail = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", python, "-I", "-S", str(script)]
        costs["bubblewrap python3 -I -S"] = meter.measure(lambda: subprocess_loop(jail, 15), 15)
    for name, cost in costs.items():
        cpu = "" if cost.cpu_ms is None else f"{cost.cpu_ms:8.2f} ms CPU"
        print(f"{name:42} {cost.wall_ms:8.2f} ms wall {cpu}")
    print_ratios(costs, own_ms)
    print_scaling(tests)


def subprocess_floor(python: str, tests: int) -> float:
    """Fork a warm interpreter without any isolation; return the CPU seconds that the program itself took in there."""
    command = [python, "-I", "-S", "-c", FLOOR, PYTHON, str(tests)]
    return float(subprocess.run(command, check=True, capture_output=True).stderr)


def print_ratios(costs: dict[str, Cost], own_ms: float) -> None:
    """Compare with the bare subprocess, in CPU time where it is known."""
    bare, ours = costs["subprocess python3"], costs["judge, Python test"]
    print(f"tests per second over bare subprocess: {bare.wall_ms / ours.wall_ms:.1f}x by wall clock")
    if bare.cpu_ms and ours.cpu_ms:
        print(f"the program's own CPU time: {own_ms:.2f} ms; a Python test costs {ours.cpu_ms - own_ms:.2f} ms over it")
        print(f"tests per CPU second over bare subprocess: {bare.cpu_ms / ours.cpu_ms:.1f}x")


def print_scaling(tests: int) -> None:
    """Compare one process with one per core, each doing the same work."""
    cores = len(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    with context.Pool(cores) as pool:
        alone = pool.map(scale, [(10, tests)], chunksize=1)[0]
        together = max(pool.map(scale, [(10, tests)] * cores, chunksize=1))
    print(
        f"scaling on {cores} processes: {cores * alone / together:.2f}x ({alone:.2f} s alone, {together:.2f} s together)"
    )


if __name__ == "__main__":
    main()
