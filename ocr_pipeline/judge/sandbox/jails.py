"""The sandbox as the supervisor sees it: a template process, jails made from it, and tests run in a jail.

Knows nothing of problems, expected outputs or verdicts; `programs.py` compiles and runs programs with it, `verdicts.py`
judges. What the kernel is asked for is in ``native/sandbox.c``.
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
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, Final, Self

import psutil

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.sandbox import building
from ocr_pipeline.judge.sandbox.protocol import (
    BUSY_FACTOR,
    JAIL_REQUEST,
    LONGEST_ARGUMENTS,
    LONGEST_NAME,
    REPLY,
    TEST_REQUEST,
    JailKind,
    Reply,
    Step,
    Stop,
    driver_constants,
    read_reply,
)
from ocr_pipeline.judge.sandbox.visible import (
    HOST_DEVICES,
    HOST_FOLDERS,
    compiler_files,
    interpreter_files,
    is_pypy,
    package_folders,
    packages_of,
    without_packages,
)

__all__ = [
    "DisturbedError",
    "Jail",
    "JailFiles",
    "JailGoneError",
    "JailLimits",
    "RawResult",
    "Sandbox",
    "SandboxPlan",
    "Tier",
    "memory_file",
]

MIB: Final = 1 << 20
CANNOT_START: Final = 126
ANSWER_GRACE_S: Final = 60.0
START_TIMEOUT_S: Final = 60.0
FIRST_FREE_UID: Final = 60_600
UIDS: Final = 2_000  # so that two rows of them stay below 65,536, where containers often end
WORK_PREFIX: Final = "ocr-judge-"
ABANDONED_AFTER_S: Final = 3_600.0  # a folder without a lock: somebody is making it, or died while removing it
TASKS_OF_ITS_OWN: Final = 1_024  # threads beside what an ordinary user already runs, in tier B
PYPY_ROOM_BYTES: Final = (
    1 << 30
)  # it reserves 1.3 kB per thread and frame of the recursion limit, and touches few of them
PACKAGES_INSIDE: Final = "/packages"
PARTS_INSIDE: Final = "/judge"
HEADERS_INSIDE: Final = "/headers"


class Tier(StrEnum):
    """How strongly a test was isolated."""

    A = "A"
    """Namespaces, an own root, seccomp."""
    B = "B"
    """Landlock and seccomp, where namespaces are forbidden."""
    UNSANDBOXED = "C"
    """Nothing but limits; only by explicit option."""


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
    stack_bytes: int = 256 * MIB
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
                message = f"`{name}` is not the name of a file in a working folder"
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
    waited_s: float = 0.0
    """How long it waited for a core; 0 where nobody tells."""


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


class JailGoneError(JudgeError):
    """A jail ended without an answer."""


class DisturbedError(JudgeError):
    """Something outside stopped a program: a kill that was not ours, or a machine that gave it no core."""


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
            message = f"a jail is gone ({error})"
            raise JailGoneError(message) from error

    def finish(self, wall_s: float) -> RawResult:
        """Wait for the test that :meth:`start` began."""
        values = _answer(self._channel, BUSY_FACTOR * wall_s + ANSWER_GRACE_S)
        if values is not None and values.error and values.step == Step.START:
            return self._no_program()
        if values is None:
            self.usable = False
            raise JailGoneError(_failure(values))
        if values.error:
            self.usable = False
            raise JudgeError(_failure(values))
        code = os.waitstatus_to_exitcode(values.wait_status)
        self.usable = not values.dirty
        return RawResult(
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            cpu_s=(values.user_us + values.system_us) / 1e6,
            wall_s=values.wall_us / 1e6,
            peak_memory_mib=values.peak_kib / 1024,
            stop=Stop(values.stopped),
            dirty=bool(values.dirty),
            waited_s=values.waited_us / 1e6,
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
        self._parts = building.build()
        _remove_abandoned()
        try:
            self._work, self._lock = _new_folder()
        except OSError as error:
            message = f"the sandbox has no place in `{tempfile.gettempdir()}`: {error}; make room, or set TMPDIR"
            raise JudgeError(message) from error
        self._processes = _tasks_of_this_user() + TASKS_OF_ITS_OWN
        Finalize(None, shutil.rmtree, (str(self._work), True), exitpriority=1)  # pool workers run no atexit functions
        if plan.tier is not Tier.A:  # the cache may lie where the candidates' user cannot go
            self._parts = building.NativeParts(shutil.copytree(self._parts.folder, self._work / "parts"))
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
                [self.plan.python, "-S", "-s", "-B", driver, "enter", json.dumps(plan)],
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
        return HEADERS_INSIDE if self.plan.tier is Tier.A else str(building.headers_folder())

    def open_jail(self, kind: JailKind, limits: JailLimits, program: int, files: JailFiles = NO_FILES) -> Jail:
        """Make a jail for a program: an executable, the driver's job and code, or the arguments of a command.

        Raises
        ------
        JudgeError
            When the template or the jail cannot start, with the step that failed.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        processes = limits.processes if self.plan.tier is Tier.A or os.geteuid() == 0 else self._processes
        space = limits.address_space_bytes + (PYPY_ROOM_BYTES if is_pypy(self.plan.python) else 0)
        request = JAIL_REQUEST.pack(
            kind, space, limits.file_bytes, limits.cpu_s, limits.scratch_bytes, limits.stack_bytes,
            processes, *files.packed,
        )  # fmt: skip
        try:
            _send(self._control, request, [theirs.fileno(), program])
        except OSError as error:
            ours.close()
            raise JudgeError(self._explain(str(error))) from error
        finally:
            theirs.close()
        values = _answer(ours, START_TIMEOUT_S)
        if values is None or values.error:
            ours.close()
            raise JudgeError(self._explain(_failure(values)))
        if self.plan.tier is Tier.A:  # the template has its own root by now, and a killed supervisor leaves nothing
            shutil.rmtree(self._work, ignore_errors=True)
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
        os.close(self._lock)

    def __enter__(self) -> Self:
        """Return the sandbox."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def _template_plan(
    plan: SandboxPlan, parts: building.NativeParts, work: Path, control: int, uid: int
) -> dict[str, Any]:
    """Return what the driver needs to know; none of it is secret."""
    inside = plan.tier is Tier.A
    folder = PARTS_INSIDE if inside else str(parts.folder)
    own = interpreter_files(plan.python)
    masked = [path for path in package_folders(own) if inside]
    root = work / "root"
    root.mkdir()
    as_root = os.geteuid() == 0
    candidate_uid = uid if as_root else 0
    compiler = compiler_files()
    empty = work / "empty"
    empty.mkdir(mode=0o755)
    binds = [(path, path) for path in (*HOST_FOLDERS, *HOST_DEVICES, *own, *compiler)]
    binds += [(str(empty), path) for path in masked]
    binds += [(str(parts.folder), PARTS_INSIDE), (str(building.headers_folder()), HEADERS_INSIDE)]
    binds += [(path, f"{PACKAGES_INSIDE}/{Path(path).name}") for path in packages_of(plan.python)]
    readable = [*HOST_FOLDERS, *HOST_DEVICES, *without_packages(own), *compiler, str(parts.folder),
                str(building.headers_folder()), *packages_of(plan.python), f"+{work / 'packages'}"]  # fmt: skip
    if not inside:  # a folder that holds only them: where they are installed, nobody may look around
        (work / "packages").mkdir(mode=0o755)
        for path in packages_of(plan.python):
            (work / "packages" / Path(path).name).symlink_to(path)
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
            "constants": driver_constants(),
            "library": f"{folder}/sandbox.so",
            "control": control,
            "namespaces": int(inside),
            "confined": int(plan.tier is not Tier.UNSANDBOXED),
            "net_namespace": int(plan.net_namespace),
            "candidate_uid": (1 if plan.user_namespace else uid) if as_root else 0,
            "scratch": str(work / "scratch"),
            "readable": [] if inside else readable,
            "packages": [PACKAGES_INSIDE if inside else str(work / "packages")],
        },
    }


def _new_folder() -> tuple[Path, int]:
    """Make a folder and lock it; somebody who removes abandoned ones may come between the two, and then another is made."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=WORK_PREFIX))
        folder.chmod(0o711)
        with suppress(FileNotFoundError):
            lock = _locked(folder / "lock", wait=True)
            if os.fstat(lock).st_nlink:
                return folder, lock
            os.close(lock)


def _locked(path: Path, *, wait: bool) -> int:
    """Open a file and lock it as long as this process lives.

    Raises
    ------
    OSError
        When it cannot be opened, or somebody else holds it and nobody waits.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_abandoned() -> None:
    """Remove the folders of sandboxes whose process was killed: nobody holds their locks any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{WORK_PREFIX}*"):
        lock = folder / "lock"
        with suppress(OSError):
            known = folder.stat()
            is_new = time.time() - known.st_mtime < ABANDONED_AFTER_S
            if known.st_uid == os.geteuid() and (lock.exists() or not is_new):
                descriptor = _locked(lock, wait=False)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(descriptor)


def _tasks_of_this_user() -> int:
    """Count the processes and threads of this user: a limit on them counts all, wherever they run."""
    count = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids = process.info["uids"]
        count += (process.info["num_threads"] or 1) if uids and uids.real == os.geteuid() else 0
    return count


def _send(channel: socket.socket, data: bytes, files: Sequence[int]) -> None:
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))
    channel.sendmsg([data], [rights])


def _answer(channel: socket.socket, timeout_s: float) -> Reply | None:
    """Return the next reply, or ``None`` when the other side is gone or silent."""
    poller = select.poll()
    poller.register(channel, select.POLLIN)
    if not poller.poll(timeout_s * 1000):
        return None
    try:
        data = channel.recv(REPLY.size)
    except OSError:
        return None
    return read_reply(data)


def _failure(values: Reply | None) -> str:
    if values is None:
        return "the jail ended without an answer"
    return f"cannot {Step(values.step).words}: {os.strerror(values.error)}"
