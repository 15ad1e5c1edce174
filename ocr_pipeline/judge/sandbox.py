"""The sandbox as the supervisor sees it: a template process, jails made from it, and tests run in a jail.

Knows nothing of problems, expected outputs or verdicts; `programs.py` compiles and runs programs with it, `verdicts.py`
judges. What the kernel is asked for stands in ``native/sandbox.c``.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from multiprocessing.util import Finalize
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge import native

__all__ = [
    "Jail",
    "JailFiles",
    "JailKind",
    "JailLimits",
    "RawResult",
    "Sandbox",
    "SandboxPlan",
    "Stop",
    "Tier",
    "memory_file",
]

MIB: Final = 1 << 20
REPLY: Final = struct.Struct("=9Q")
JAIL_REQUEST: Final = struct.Struct("=6Q64s64s512s")
TEST_REQUEST: Final = struct.Struct("=2Q")
LONGEST_NAME: Final = 63
LONGEST_ARGUMENTS: Final = 510
PROGRAM_STEP: Final = "start the program"
CANNOT_START: Final = 126
STEPS: Final = (
    "none", "request", "clone with namespaces", "mount /proc", "mount /tmp", "load the system call filter", "Landlock",
    "fork", "start the program", "read the output", "wait",
)  # fmt: skip
ANSWER_GRACE_S: Final = 60.0
BUSY_FACTOR: Final = 10.0  # how much longer a program that works may take on a busy machine; sandbox.c knows it too
START_TIMEOUT_S: Final = 60.0
FIRST_FREE_UID: Final = 60_600
UIDS: Final = 2_000  # so that two rows of them stay below 65,536, where containers often end
HOST_FOLDERS: Final = ("/usr", "/bin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/etc/alternatives")
HOST_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
PACKAGES_INSIDE: Final = "/packages"
PARTS_INSIDE: Final = "/judge"
HEADERS_INSIDE: Final = "/headers"
UNLIMITED: Final = (1 << 64) - 1


class Tier(StrEnum):
    """How strongly a test was isolated."""

    A = "A"
    """Namespaces, an own root, seccomp."""
    B = "B"
    """Landlock and seccomp, where namespaces are forbidden."""
    UNSANDBOXED = "C"
    """Nothing but limits; only by explicit option."""


class JailKind(IntEnum):
    """What runs in a jail."""

    PYTHON = 1
    BINARY = 2
    COMMAND = 3


class Stop(IntEnum):
    """Why a test was killed from outside."""

    NONE = 0
    CPU = 1
    WALL = 2


@dataclass(frozen=True, slots=True)
class SandboxPlan:
    """One way to build a sandbox on this machine; probing chooses."""

    tier: Tier
    user_namespace: bool
    net_namespace: bool
    python: str


@dataclass(frozen=True, slots=True)
class JailLimits:
    """Walls of the kernel around a jail's processes; verdicts are taken from usage, not from hitting these."""

    address_space_bytes: int
    file_bytes: int
    cpu_s: int
    scratch_bytes: int = 32 * MIB
    processes: int = 128


@dataclass(frozen=True, slots=True)
class JailFiles:
    """The files of a working folder that a program reads and writes, and what a binary is started with."""

    input_name: str = ""
    """Also holds the standard input; empty: no such file."""
    output_name: str = ""
    """Becomes the result; empty: no such file."""
    arguments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that do not lie in the working folder, and what the protocol cannot hold.

        Raises
        ------
        JudgeError
            When a name is a path, or a name or the arguments are too long.
        """
        for name in (self.input_name, self.output_name):
            if "/" in name or "\0" in name or name in {".", ".."} or len(os.fsencode(name)) > LONGEST_NAME:
                message = f"`{name}` is no name of a file in a working folder"
                raise JudgeError(message)
        if len(self._packed_arguments) > LONGEST_ARGUMENTS:
            message = f"the arguments {self.arguments} are longer than {LONGEST_ARGUMENTS} bytes"
            raise JudgeError(message)

    @property
    def _packed_arguments(self) -> bytes:
        return b"".join(os.fsencode(each) + b"\0" for each in self.arguments)

    @property
    def packed(self) -> tuple[bytes, bytes, bytes]:
        """As the protocol sends them."""
        return os.fsencode(self.input_name), os.fsencode(self.output_name), self._packed_arguments


@dataclass(frozen=True, slots=True)
class RawResult:
    """What the kernel says of one test process."""

    exit_code: int | None
    """Null when a signal ended it."""
    signal: int | None
    cpu_s: float
    wall_s: float
    peak_memory_mib: float
    stop: Stop
    dirty: bool


NO_FILES: Final = JailFiles()


def memory_file(data: bytes | memoryview, *, name: str = "input") -> int:
    """Return a sealed in-memory file that nobody can change; the caller closes it."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


class Jail:
    """One candidate's jail. Close it to kill everything in it."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self.usable = True

    def run(self, files: Sequence[int], *, cpu_s: float, wall_s: float) -> RawResult:
        """Run one test with files for stdin, stdout, stderr and result; for a checker also the input and the answer.

        Raises
        ------
        JudgeError
            When the sandbox failed; the candidate is not to blame.
        """
        self.start(files, cpu_s=cpu_s, wall_s=wall_s)
        return self.finish(wall_s)

    def start(self, files: Sequence[int], *, cpu_s: float, wall_s: float) -> None:
        """Begin a test; :meth:`finish` waits for it."""
        request = TEST_REQUEST.pack(int(cpu_s * 1e6), int(wall_s * 1e6))
        try:
            _send(self._channel, request, files)
        except OSError as error:
            self.usable = False
            message = f"a jail is gone ({error}); run the step again"
            raise JudgeError(message) from error

    def finish(self, wall_s: float) -> RawResult:
        """Wait for the test that :meth:`start` began."""
        values = _answer(self._channel, BUSY_FACTOR * wall_s + ANSWER_GRACE_S)
        if values is not None and values[0] and STEPS[values[1]] == PROGRAM_STEP:
            return self._no_program()
        if values is None or values[0]:
            self.usable = False
            raise JudgeError(_failure(values))
        _, _, status, user_us, system_us, wall_us, peak_kib, stop, dirty = values
        code = os.waitstatus_to_exitcode(status)
        self.usable = not dirty
        return RawResult(
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            cpu_s=(user_us + system_us) / 1e6,
            wall_s=wall_us / 1e6,
            peak_memory_mib=peak_kib / 1024,
            stop=Stop(stop),
            dirty=bool(dirty),
        )

    def _no_program(self) -> RawResult:
        """Return the result of an executable that cannot start or ends before it serves: the candidate's own failure."""
        self.usable = False
        return RawResult(
            exit_code=CANNOT_START, signal=None, cpu_s=0.0, wall_s=0.0, peak_memory_mib=0.0, stop=Stop.NONE, dirty=True
        )

    def close(self) -> None:
        """End the jail and everything in it."""
        self.usable = False
        self._channel.close()


class Sandbox:
    """A template process of one plan. One thread uses it."""

    def __init__(self, plan: SandboxPlan) -> None:
        self.plan = plan
        self._parts = native.build()
        self._work = Path(tempfile.mkdtemp(prefix="ocr-judge-"))
        self._work.chmod(0o711)
        Finalize(None, shutil.rmtree, (str(self._work), True), exitpriority=1)  # pool workers run no atexit functions
        if plan.tier is not Tier.A:  # the cache may lie where the candidates' user cannot go
            self._parts = native.NativeParts(shutil.copytree(self._parts.folder, self._work / "parts"))
        self.scratch = self._work / "scratch"
        self.scratch.mkdir(mode=0o777)
        self.scratch.chmod(0o1777)
        self._messages = os.memfd_create("messages", os.MFD_CLOEXEC)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = self._start(theirs)
        finally:
            theirs.close()

    def _start(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        uid = FIRST_FREE_UID + os.getpid() % UIDS
        plan = _template_plan(self.plan, self._parts, self._work, theirs.fileno(), uid)
        driver = str(self._parts.driver)
        empty = os.memfd_create("empty", os.MFD_CLOEXEC)
        try:
            return subprocess.Popen(
                [self.plan.python, "-S", "-s", "-P", "-B", driver, "enter", json.dumps(plan)],
                stdin=empty,
                stdout=self._messages,
                stderr=self._messages,
                pass_fds=[theirs.fileno()],
                env={},
                cwd="/",
            )
        except OSError as error:
            message = f"the interpreter `{self.plan.python}` cannot be started: {error}"
            raise JudgeError(message) from error
        finally:
            os.close(empty)

    @property
    def inside(self) -> str:
        """Folder of the built parts, as processes in a jail see it."""
        return PARTS_INSIDE if self.plan.tier is Tier.A else str(self._parts.folder)

    @property
    def headers(self) -> str:
        """Folder of the precompiled headers, as processes in a jail see it."""
        return HEADERS_INSIDE if self.plan.tier is Tier.A else str(native.headers_folder())

    def open_jail(self, kind: JailKind, limits: JailLimits, program: int, files: JailFiles = NO_FILES) -> Jail:
        """Make a jail for a program: an executable, the driver's job and code, or the arguments of a command.

        Raises
        ------
        JudgeError
            When the template or the jail cannot start, with the step that failed.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        processes = limits.processes if self.plan.tier is Tier.A or os.geteuid() == 0 else UNLIMITED
        request = JAIL_REQUEST.pack(
            kind, limits.address_space_bytes, limits.file_bytes, limits.cpu_s, limits.scratch_bytes, processes,
            *files.packed,
        )  # fmt: skip
        try:
            _send(self._control, request, [theirs.fileno(), program])
        except OSError as error:
            ours.close()
            raise JudgeError(self._explain(str(error))) from error
        finally:
            theirs.close()
        values = _answer(ours, START_TIMEOUT_S)
        if values is None or values[0]:
            ours.close()
            raise JudgeError(self._explain(_failure(values)))
        return Jail(ours)

    def _explain(self, failure: str) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        said = os.pread(self._messages, 2_000, 0).decode(errors="replace").strip().splitlines()
        return f"sandbox (tier {self.plan.tier}): {said[-1] if said else failure}"

    def close(self) -> None:
        """End the template and its jails."""
        self._control.close()
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._messages)
        shutil.rmtree(self._work, ignore_errors=True)

    def __enter__(self) -> Self:
        """Return the sandbox."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


def _template_plan(plan: SandboxPlan, parts: native.NativeParts, work: Path, control: int, uid: int) -> dict[str, Any]:
    """Return what the driver needs to know; none of it is secret."""
    inside = plan.tier is Tier.A
    folder = PARTS_INSIDE if inside else str(parts.folder)
    prefix = str(Path(plan.python).resolve().parent.parent)
    packages = _packages()
    root = work / "root"
    root.mkdir()
    as_root = os.geteuid() == 0
    candidate_uid = uid if as_root else 0
    binds = [(path, path) for path in (*HOST_FOLDERS, *HOST_DEVICES, *([] if prefix == "/usr" else [prefix]))]
    binds += [(str(parts.folder), PARTS_INSIDE), (str(native.headers_folder()), HEADERS_INSIDE)]
    binds += [(path, f"{PACKAGES_INSIDE}/{Path(path).name}") for path in packages]
    readable = [*HOST_FOLDERS, *HOST_DEVICES, prefix, str(parts.folder), str(native.headers_folder()), *packages]
    package_folders = [PACKAGES_INSIDE] if inside else sorted({str(Path(path).parent) for path in packages})
    return {
        "tier": str(plan.tier),
        "python": plan.python,
        "library": str(parts.library),
        "driver": f"{folder}/driver.py",
        "root": str(root),
        "binds": binds,
        "readable": readable,
        "scratch": str(work / "scratch"),
        "user_namespace": int(plan.user_namespace),
        "template_uid": uid + UIDS,
        "candidate_uid": candidate_uid,
        "serve": {
            "library": f"{folder}/sandbox.so",
            "control": control,
            "namespaces": int(inside),
            "confined": int(plan.tier is not Tier.UNSANDBOXED),
            "net_namespace": int(plan.net_namespace),
            "candidate_uid": (1 if plan.user_namespace else uid) if as_root else 0,
            "scratch": str(work / "scratch"),
            "readable": [] if inside else readable,
            "packages": package_folders,
        },
    }


def _packages() -> list[str]:
    """Return the folders of the few packages that solutions import and contest judges offer, where installed."""
    found: list[str] = []
    for folder in sys.path:
        for name in ("numpy", "numpy.libs", "sortedcontainers"):
            path = Path(folder) / name
            if folder.endswith("-packages") and path.is_dir() and path.name not in {Path(each).name for each in found}:
                found.append(str(path))
    return found


def _send(channel: socket.socket, data: bytes, files: Sequence[int]) -> None:
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))
    channel.sendmsg([data], [rights])


def _answer(channel: socket.socket, timeout_s: float) -> tuple[int, ...] | None:
    """Return the next reply, or ``None`` when the other side is gone or silent."""
    poller = select.poll()
    poller.register(channel, select.POLLIN)
    if not poller.poll(timeout_s * 1000):
        return None
    try:
        data = channel.recv(REPLY.size)
    except OSError:
        return None
    return REPLY.unpack(data) if len(data) == REPLY.size else None


def _failure(values: tuple[int, ...] | None) -> str:
    if values is None:
        return "the jail ended without an answer"
    return f"cannot {STEPS[values[1]] if values[1] < len(STEPS) else values[1]}: {os.strerror(values[0])}"
