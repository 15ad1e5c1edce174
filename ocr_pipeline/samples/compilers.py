"""Ask the languages' own compilers whether they accept a source, without letting a source harm this process.

CPython's ``compile`` runs in a worker process of its own; g++ checks syntax and meaning and writes nothing. Both have
limits, and neither runs what it reads. What an opinion means for a sample is decided in ``syntax``.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import filelock

from ocr_pipeline.judge.functions import plain_program
from ocr_pipeline.judge.sandbox.building import CPP_FLAGS, precompiled_headers
from ocr_pipeline.samples import compile_worker
from ocr_pipeline.tables import CPP_DIALECTS

__all__ = ["Opinion", "PythonCompiler", "check_cpp", "has_cpp_compiler", "python_compiler"]

WORKER: Final = Path(compile_worker.__file__)
CPP_SECONDS: Final = 20
CPP_MEMORY_KIB: Final = 2 << 20
CPP_LIMITS: Final = f'ulimit -t {CPP_SECONDS}; ulimit -v {CPP_MEMORY_KIB}; ulimit -c 0; exec "$@"'
CHECK_FLAGS: Final = ("-x", "c++", "-fsyntax-only", "-fmax-errors=1", "-fno-diagnostics-color")
CPP_ERROR: Final = re.compile(r"<stdin>:(\d+):(?:(\d+):)? (?:fatal )?error:")
MISSING_HEADER: Final = "No such file or directory"
MACHINE: Final = re.compile(r"\Z|(?:g\+\+|cc1plus|sh|as|collect2): ")
"""What is said when the compiler itself was stopped, by a limit or by the machine; nothing is said of the program."""
MAIN: Final = re.compile(rb"\bmain\s*\(")
DEVICE: Final = re.compile(rb"[\"<]\s*/(?:dev|proc|sys)/")


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a compiler says of one source; ``accepted`` is None when it could not judge."""

    accepted: bool | None
    line: int | None = None
    column: int | None = None
    message: str = ""


class PythonCompiler:
    """A worker process that compiles Python sources; started again whenever a source brings it down.

    Parameters
    ----------
    program
        The worker's program, which speaks the frames of :mod:`ocr_pipeline.samples.compile_worker`.
    """

    def __init__(self, program: Path = WORKER) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: list[bytes] = []

    def __enter__(self) -> Self:
        """Return self; the process starts with the first question."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    def ask(self, sources: Sequence[bytes]) -> None:
        """Send sources; the worker compiles them while the caller does something else."""
        self._asked = list(sources)
        self._send(self._asked)

    def answers(self) -> Iterator[Opinion]:
        """Yield one opinion per source asked, in order; a source that kills the worker is not accepted."""
        waiting, self._asked = self._asked, []
        while waiting:
            opinion = self._receive()
            if opinion is None:
                self.close()
                opinion = Opinion(accepted=False, message="the compiler gave up")
                self._send(waiting[1:])
            waiting = waiting[1:]
            yield opinion

    def close(self) -> None:
        """End the worker, if there is one."""
        if self._process is not None:
            self._process.kill()
            for stream in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    assert stream is not None  # noqa: S101 - for the type checker: it was started with pipes
                    stream.close()
            self._process.wait()
            self._process = None

    def _send(self, sources: Sequence[bytes]) -> None:
        if not sources:
            return
        count = compile_worker.COUNT
        frames = [count.pack(len(sources)), *(count.pack(len(source)) + source for source in sources)]
        try:
            self._write(b"".join(frames))
        except BrokenPipeError:  # somebody ended the worker since the last question
            self.close()
            self._write(b"".join(frames))

    def _write(self, frames: bytes) -> None:
        self._process = self._process or _start(self._program)
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it was started with a pipe
        self._process.stdin.write(frames)
        self._process.stdin.flush()

    def _receive(self) -> Opinion | None:
        assert self._process is not None  # noqa: S101 - for the type checker: an answer is read after a question
        assert self._process.stdout is not None  # noqa: S101 - as above
        answer = compile_worker.ANSWER
        head = self._process.stdout.read(answer.size)
        if len(head) < answer.size:
            return None
        accepted, line, column, length = answer.unpack(head)
        message = self._process.stdout.read(length).decode("utf-8", "replace")
        return Opinion(accepted, line or None, column or None, message)


def _start(program: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", str(program)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={})


@functools.cache
def python_compiler() -> PythonCompiler:
    """Return the compiler of this process; it ends with the process."""
    compiler = PythonCompiler()
    atexit.register(compiler.close)
    return compiler


@functools.cache
def has_cpp_compiler() -> bool:
    """Tell whether g++ is installed."""
    return shutil.which("g++") is not None


def check_cpp(source: bytes) -> Opinion:
    """Return what g++ says; it cannot judge without g++, without a header of the program, or beyond its limits.

    A source without ``main`` may be a function that is asked for: then it is also accepted behind the usual headers.
    """
    if not has_cpp_compiler():
        return Opinion(accepted=None, message="g++ is not installed")
    if DEVICE.search(source):
        return Opinion(
            accepted=None, message="the program names a file of the system, which g++ might never read to its end"
        )
    first = _check_program(source)
    if first.accepted is not False or MAIN.search(source):
        return first
    behind = _check_dialect(plain_program(source.decode("utf-8", "replace")).encode(), CPP_DIALECTS[0])
    return behind if behind.accepted else first


def _check_program(source: bytes) -> Opinion:
    first = _check_dialect(source, CPP_DIALECTS[0])
    if first.accepted is not False:
        return first
    others = (_check_dialect(source, dialect) for dialect in CPP_DIALECTS[1:])
    return next((opinion for opinion in others if opinion.accepted), first)


def _check_dialect(source: bytes, dialect: str) -> Opinion:
    """Ask once; a compiler that was stopped by the machine, not by the program, is asked again with no other beside it.

    Only CPU time and memory are limited: a clock on the wall would give another answer on a busy machine.
    """
    opinion = _ask_dialect(source, dialect)
    if opinion.accepted is not None or MISSING_HEADER in opinion.message:
        return opinion
    with filelock.FileLock(Path(tempfile.gettempdir()) / f"ocr-pipeline-compile-{os.geteuid()}.lock"):
        return _ask_dialect(source, dialect)


def _ask_dialect(source: bytes, dialect: str) -> Opinion:
    usual = dialect == CPP_DIALECTS[0]  # the others are too rare for five seconds each
    headers = [f"-I{precompiled_headers(dialect)}"] if usual else []
    command = ["sh", "-c", CPP_LIMITS, "sh", "g++", f"-std={dialect}", *CPP_FLAGS, *CHECK_FLAGS, *headers, "-"]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    done = subprocess.run(command, input=source, capture_output=True, check=False, env=environment, cwd="/")
    return _read_diagnosis(done.returncode, done.stderr.decode("utf-8", "replace"))


def _read_diagnosis(code: int, diagnosis: str) -> Opinion:
    if code == 0:
        return Opinion(accepted=True)
    error = next((line for line in diagnosis.splitlines() if "error:" in line), "")
    if MACHINE.match(error) or MISSING_HEADER in error or "internal compiler error" in error:
        return Opinion(accepted=None, message=error or "g++ could not judge")
    place = CPP_ERROR.match(error)
    line, column = (int(number) if number else None for number in place.groups()) if place else (None, None)
    return Opinion(accepted=False, line=line, column=column, message=error)
