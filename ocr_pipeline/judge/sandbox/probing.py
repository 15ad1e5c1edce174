"""Finds out what isolation this machine gives, by trying it: a limit counts only when a probe program ran into it.

A tier is accepted when a known program runs in it and a hostile one is stopped at every door it tries.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.sandbox import building
from ocr_pipeline.judge.sandbox.jails import MIB, JailLimits, Sandbox, SandboxPlan, Tier, memory_file
from ocr_pipeline.judge.sandbox.protocol import JailKind

__all__ = ["TierReport", "choose_plan", "probe", "pypy_plan"]

PROBE_LIMITS: Final = JailLimits(address_space_bytes=512 * MIB, file_bytes=MIB, cpu_s=5)
PROBE: Final = """
import os, socket
print(sum(range(10)))
def refused(action):
    try: action()
    except (OSError, MemoryError): return True
    return False
doors = {
    "network": lambda: socket.create_connection(("127.0.0.1", 9), 1),
    "socket": lambda: socket.socket(),
    "fork": lambda: os.fork() or os._exit(0),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "secret": lambda: open(input()).read(),
    "write": lambda: open(input() + ".new", "w"),
    "memory": lambda: bytearray(1 << 30),
    "signal": lambda: os.kill(os.getppid() or 1, 0),
}
print(",".join(name for name, action in doors.items() if not refused(action)))
"""


@dataclass(frozen=True, slots=True)
class TierReport:
    """What was found."""

    plan: SandboxPlan | None
    """The strongest isolation that works; ``None``: the judge refuses to run (tier C)."""
    failures: tuple[str, ...]
    """Why stronger ones do not."""
    cpp_compiler: str | None

    @property
    def tier(self) -> str:
        """A, B or C."""
        return str(self.plan.tier) if self.plan else str(Tier.UNSANDBOXED)


@cache
def probe() -> TierReport:
    """Try the tiers from the strongest to the weakest; the answer is kept for the life of the process.

    Raises
    ------
    JudgeError
        When the sandbox cannot be built for want of a C compiler.
    """
    building.build()
    compiler = building.cpp_compiler()
    failures: list[str] = []
    for plan in _plans():
        failure = failure_of(plan)
        if failure is None:
            return TierReport(plan, tuple(failures), compiler[1] if compiler else None)
        failures.append(f"{plan.tier} with {plan.python}: {failure}")
    return TierReport(None, tuple(failures), compiler[1] if compiler else None)


@cache
def choose_plan(tiers: str) -> SandboxPlan:
    """Return the plan for ``auto``, ``A``, ``B`` or ``unsandboxed``.

    Raises
    ------
    JudgeError
        When what is asked for does not work here.
    """
    if tiers == "unsandboxed":
        return SandboxPlan(Tier.UNSANDBOXED, user_namespace=False, net_namespace=False, python=next(_interpreters()))
    if tiers == "auto":
        report = probe()
        if report.plan is not None:
            return report.plan
        failures = report.failures
    else:
        building.build()
        tried = {plan: failure_of(plan) for plan in _plans() if plan.tier == tiers}
        working = [plan for plan, failure in tried.items() if failure is None]
        if working:
            return working[0]
        failures = tuple(failure or "" for failure in tried.values())
    message = (
        f"no sandbox works here, so nothing is run ({'; '.join(dict.fromkeys(failures))}); allow user namespaces or "
        "Landlock, or run without isolation by choice: --unsandboxed"
    )
    raise JudgeError(message)


@cache
def pypy_plan(plan: SandboxPlan) -> SandboxPlan | str:
    """Return the same isolation for PyPy, or why there is none here."""
    found = shutil.which("pypy3")
    if found is None:
        return "there is no pypy3; install it (Debian: apt install pypy3)"
    same = replace(plan, python=os.path.realpath(found))
    failure = failure_of(same) if plan.tier is not Tier.UNSANDBOXED else None
    return f"`{found}` does not run in the sandbox: {failure}" if failure else same


def _plans() -> Iterator[SandboxPlan]:
    """Yield the ways to isolate, strongest first."""
    for python in _interpreters():
        yield SandboxPlan(Tier.A, user_namespace=True, net_namespace=True, python=python)
        if os.geteuid() == 0:
            yield SandboxPlan(Tier.A, user_namespace=False, net_namespace=True, python=python)
    for python in _interpreters():
        yield SandboxPlan(Tier.B, user_namespace=False, net_namespace=False, python=python)


def _interpreters() -> Iterator[str]:
    """Yield our own interpreter, then the system's, which another user can always read."""
    version = f"python3.{sys.version_info.minor}"
    places = [
        os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
        f"/usr/bin/{version}",
        "/usr/bin/python3",
    ]
    yield from dict.fromkeys(os.path.realpath(place) for place in places if Path(place).exists())


@cache
def failure_of(plan: SandboxPlan) -> str | None:
    """Return why a plan does not isolate, or ``None`` when it does."""
    try:
        with Sandbox(plan) as sandbox, ExitStack() as opened:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
            folder.chmod(0o755)  # nothing but the sandbox keeps anybody out
            secret = folder / "secret"
            secret.write_text("secret", encoding="utf-8")
            secret.chmod(0o644)
            code = _run(sandbox, opened, b'{"do":"compile"}', PROBE.encode(), b"")[1]
            lines = (
                _run(sandbox, opened, b'{"do":"run"}', code, f"{secret}\n{secret}\n".encode())[0].decode().split("\n")
            )
    except JudgeError as error:
        return str(error)
    if lines[0] != "45":
        return "a known program does not run"
    return f"these are not stopped: {lines[1]}" if lines[1:2] != [""] else None


def _run(sandbox: Sandbox, opened: ExitStack, header: bytes, body: bytes, stdin: bytes) -> tuple[bytes, bytes]:
    program = memory_file(header + b"\n" + body)
    files = [memory_file(stdin), *(os.memfd_create("probe") for _ in range(3))]
    for descriptor in (*files, program):
        opened.callback(os.close, descriptor)
    jail = sandbox.open_jail(JailKind.PYTHON, PROBE_LIMITS, program)
    jail.run(files, cpu_s=5, wall_s=20)
    jail.close()
    return os.pread(files[1], MIB, 0), os.pread(files[3], MIB, 0)
