"""Judges the corpus and prints one JSON line per program: run as a process of its own, so that it can be any user.

After each program an honest one must be accepted; at the end nothing may be left running, and the folder that the
hostile programs aim at must be as it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.programs import Runner, Tiers
from ocr_pipeline.judge.verdicts import Candidate, JudgeConfig, ProblemSpec, Test, judge_candidate

HERE = Path(__file__).parent
CONFIG = JudgeConfig(python_time_factor=1.0, output_mib=16.0)
HONEST = Candidate("python", "print(sum(map(int, input().split())))")
MARKER = "MARKER-FROM-THE-SUPERVISOR"


def main() -> None:
    """Judge one file of the corpus."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", choices=["adversarial", "benign"])
    parser.add_argument("--tier", default="auto")
    parser.add_argument("--slow", action="store_true")
    options = parser.parse_args()
    programs = tomllib.loads((HERE / f"{options.corpus}.toml").read_text(encoding="utf-8"))["program"]
    with tempfile.TemporaryDirectory() as name, Runner(Tiers(options.tier)) as runner:
        target = Path(name)
        target.chmod(0o777)
        (target / "a-secret-of-the-host.txt").write_text(MARKER, encoding="utf-8")
        judging = Judging(runner, Gate(), target)
        for program in programs:
            if options.slow or not (program.get("slow") or program.get("language") == "cpp"):
                say(judging.judge(program, hostile=options.corpus == "adversarial"))
        say({"name": "(leftovers)", "left": leftovers()})


class Judging:
    """Judges programs of the corpus one after the other in one sandbox."""

    def __init__(self, runner: Runner, gate: Gate, target: Path) -> None:
        self._runner = runner
        self._gate = gate
        self._target = target
        self._before = fingerprint(target)

    def judge(self, program: dict[str, Any], *, hostile: bool) -> dict[str, Any]:
        """Judge a program, then an honest one."""
        function = "add" if program.get("function") is True else program.get("function")
        default = "[20, 22]" if function else "20 22\n"
        given = program.get("input", default if hostile else "") * program.get("repeat_input", 1)
        expected = program.get("expected", "42\n") * program.get("repeat_expected", 1)
        code = program["code"].replace("SECRET", str(self._target / "a-secret-of-the-host.txt"))
        candidate = Candidate(program.get("language", "python"), code.replace("ESCAPE", str(self._target)))
        problem = ProblemSpec("p", "function" if function else "stdin", function, time_limit_s=1.0)
        start = time.monotonic()
        verdict = self._verdict(problem, Test("0", given, expected), candidate)
        seconds = time.monotonic() - start
        after = self._verdict(ProblemSpec("q"), Test("0", "20 22\n", "42\n"), HONEST)
        wanted = program.get("verdicts", ["accepted"])
        if program.get("needs_scratch") and self._runner.tier == "B":
            wanted = [*wanted, "runtime_error"]
        unchanged = fingerprint(self._target) == self._before
        return {"name": program["name"], "verdict": verdict, "wanted": wanted, "after": after, "unchanged": unchanged,
                "seconds": round(seconds, 2)}  # fmt: skip

    def _verdict(self, problem: ProblemSpec, test: Test, candidate: Candidate) -> str:
        return str(judge_candidate(self._runner, problem, [test], candidate, CONFIG, self._gate).verdict)


def fingerprint(folder: Path) -> str:
    """Hash names and contents of a folder."""
    entries = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir()) if path.is_file()]
    return hashlib.sha256(repr(entries).encode()).hexdigest()


def leftovers() -> list[str]:
    """Return the processes below this one but for the template, after giving the dying a moment."""
    deadline = time.monotonic() + 20
    while (left := descendants())[1:] and time.monotonic() < deadline:
        os.sched_yield()
    return left[1:]


def descendants() -> list[str]:
    """Return all processes below this one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    below, found = {os.getpid()}, []
    while new := [pid for pid, parent in parents.items() if parent in below and pid not in below]:
        below.update(new)
        found += [str(pid) for pid in new]
    return found


def say(line: dict[str, Any]) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
