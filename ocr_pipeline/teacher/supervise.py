"""Runs a command and ends it, with everything it started, when the process that asked for it is gone.

``python supervise.py COMMAND…`` is run by path with nothing but the standard library, so that it starts in
milliseconds. Its standard input is a pipe: the end of it means that the other side has ended, even by SIGKILL.
Orphans of the command come to this process (a "subreaper") and are ended too. If this process is killed itself, the
kernel ends the command.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 10.0
POLL_S = 0.05


def main(command: list[str]) -> int:
    """Run the command until it ends or we are asked to end it; return its status."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, _note)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),  # noqa: PLW1509 - one thread only
        )
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error}\n")
        return 127
    while child.poll() is None and not _asked_to_end:
        ready, _, _ = select.select([0, wake_read], [], [])
        if 0 in ready and not os.read(0, 1024):
            break
        if wake_read in ready:
            os.read(wake_read, 1024)
    _end_all(child)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


_asked_to_end: list[int] = []


def _note(number: int, _: object) -> None:
    if number != signal.SIGCHLD:
        _asked_to_end.append(number)


def _end_all(child: subprocess.Popen[bytes]) -> None:
    """Ask everything below this process to end, then make it."""
    deadline_s = time.monotonic() + GRACE_S
    _signal_all(signal.SIGTERM)
    while child.poll() is None and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    while descendants():
        _signal_all(signal.SIGKILL)
        _reap(child)
        time.sleep(POLL_S)
    child.wait()


def _signal_all(number: signal.Signals) -> None:
    for pid in descendants():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _reap(child: subprocess.Popen[bytes]) -> None:
    """Collect ended orphans; the command's own status stays with its object."""
    child.poll()
    for pid in descendants():
        if pid != child.pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def descendants() -> list[int]:
    """Return the ids of all processes below this one that have not been collected."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
    found: list[int] = []
    level = [os.getpid()]
    while level:
        level = [pid for pid, parent in parents.items() if parent in level]
        found += level
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
