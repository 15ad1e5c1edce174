"""Builds the sandbox's small C parts at first use, and the precompiled header of C++ candidates.

What is built is in a folder named by the hash of its sources and compiler, under the user's cache; it is built
under a temporary name and renamed, so two processes cannot disturb each other. Nothing of a candidate is built here:
that happens in a jail (``programs.py``).
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.sandbox.protocol import c_header

__all__ = [
    "CPP_FLAGS",
    "NativeParts",
    "build",
    "cache_folder",
    "cpp_compiler",
    "headers_folder",
    "precompiled_headers",
    "version_of",
]

SOURCES: Final = ("protocol.h", "sandbox.c", "forkserver.c", "threads.c", "driver.py", "function.h")
CPP_FLAGS: Final = ("-O2", "-w", "-DONLINE_JUDGE", "-fno-allocation-dce")
"""As contest judges compile; but memory that a program asks for and never reads is asked for."""
HEADER: Final = "bits/stdc++.h"
KEPT_FROM_MACROS: Final = ("any", "sstream")
"""The headers of g++'s library that break after `#define private public`, which contest programs write to reach a container."""
KEEPING: Final = """\
#pragma GCC system_header
#pragma push_macro("private")
#undef private
#include_next <{name}>
#pragma pop_macro("private")
"""
FREESTANDING: Final = (
    "-O2", "-Wall", "-ffreestanding", "-fno-builtin", "-fno-tree-loop-distribute-patterns", "-fno-stack-protector",
    "-fcf-protection=none" if platform.machine() == "x86_64" else "-mbranch-protection=none", "-fno-pic", "-fno-pie",
    "-fno-asynchronous-unwind-tables",
)  # fmt: skip
"""The fork server runs before the C library is set up, and must not call what a candidate could define."""


@dataclass(frozen=True, slots=True)
class NativeParts:
    """Where the built parts lie."""

    folder: Path

    @property
    def library(self) -> Path:
        """Shared library of the sandbox, loaded into the template."""
        return self.folder / "sandbox.so"

    @property
    def fork_server(self) -> Path:
        """Object file that is linked into each C++ candidate."""
        return self.folder / "forkserver.o"

    @property
    def driver(self) -> Path:
        """Script of the template."""
        return self.folder / "driver.py"


def cache_folder() -> Path:
    """Return our cache folder, readable by everyone because candidates run as another user, writable by us alone.

    Raises
    ------
    JudgeError
        When no place is ours to write.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    usual = Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    places = [Path(base)] if base else [usual]
    for place in (*places, Path(tempfile.gettempdir()) / f"cache-{os.geteuid()}"):
        folder = place / "ocr_pipeline" / "judge"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        except OSError:
            continue
        may_load = not os.statvfs(folder).f_flag & os.ST_NOEXEC  # what is built there is loaded
        if (
            may_load
            and os.access(folder, os.W_OK)
            and all(map(_is_ours, (folder, folder.parent, folder.parent.parent)))
        ):
            return folder
    message = (
        f"no cache folder can be used (tried {places[0]}); set XDG_CACHE_HOME to a folder of yours that is writable and "
        "not mounted with noexec"
    )
    raise JudgeError(message)


def _is_ours(folder: Path) -> bool:
    """Whether no stranger can rename what is in a folder, or put something else in its place; a group is the user's choice."""
    known = folder.stat()
    return known.st_uid in {0, os.geteuid()} and not known.st_mode & stat.S_IWOTH


@cache
def build() -> NativeParts:
    """Build the C parts, or find them built.

    Raises
    ------
    JudgeError
        When there is no C compiler or it fails.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    sources = {name: (files("ocr_pipeline.judge.sandbox") / "native" / name).read_bytes() for name in SOURCES}
    sources["constants.h"] = c_header().encode()
    target = cache_folder() / f"native-{_hash(*sources.values(), version_of(compiler).encode())}"
    if target.is_dir():
        return NativeParts(target)
    if compiler is None:
        message = "the judge needs a C compiler to build its sandbox; install gcc (Debian: apt install gcc libc6-dev)"
        raise JudgeError(message)
    _build_into(target, sources, compiler)
    return NativeParts(target)


def _build_into(target: Path, sources: dict[str, bytes], compiler: str) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="building-") as name:
        work = Path(name)
        work.chmod(0o755)
        for source, content in sources.items():
            (work / source).write_bytes(content)
        _compile([compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", "sandbox.so", "sandbox.c"], work)
        _compile([compiler, *FREESTANDING, "-c", "-o", "forkserver.o", "forkserver.c"], work)
        _compile([compiler, "-O2", "-Wall", "-c", "-o", "threads.o", "threads.c"], work)
        _require_alone(work / "forkserver.o", compiler)
        for file in work.iterdir():
            file.chmod(0o644)
        _publish(work, target)


def _require_alone(object_file: Path, compiler: str) -> None:
    """Make sure that the fork server refers to the program's start and to nothing else.

    Raises
    ------
    JudgeError
        When the compiler put in a call of its own.
    """
    nm = shutil.which("nm") or "nm"
    listed = subprocess.run([nm, "--undefined-only", object_file], capture_output=True, text=True, check=False)
    if listed.returncode != 0 or listed.stdout.split()[1:] != ["_start"]:
        message = f"`{compiler}` makes the fork server call {listed.stdout.split()[1:] or listed.stderr}; use gcc"
        raise JudgeError(message)


def _publish(work: Path, target: Path) -> None:
    """Move a finished folder to its name; whoever came first wins."""
    final = Path(tempfile.mkdtemp(dir=target.parent, prefix="ready-"))
    shutil.copytree(work, final, dirs_exist_ok=True)
    final.chmod(0o755)
    try:
        final.rename(target)
    except OSError:
        shutil.rmtree(final)


def _compile(command: list[str], work: Path) -> None:
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        first = (done.stderr.strip().splitlines() or ["no message"])[0]
        message = f"the sandbox does not compile with `{command[0]}`: {first}; install gcc and libc6-dev (Linux ≥ 5.13)"
        raise JudgeError(message)


@cache
def cpp_compiler() -> tuple[str, str] | None:
    """Return path and version of the C++ compiler, or ``None`` when there is none."""
    path = shutil.which("g++")
    return (path, version_of(path)) if path else None


def headers_folder() -> Path:
    """Return the folder that holds the precompiled headers, and nothing of a candidate: every jail may read it."""
    folder = cache_folder() / "headers"
    folder.mkdir(exist_ok=True, mode=0o755)
    return folder


def precompiled_headers(dialect: str) -> Path:
    """Return the folder whose ``bits/stdc++.h.gch`` fits the flags of a dialect; build it at first use (five seconds).

    Raises
    ------
    JudgeError
        When the compiler fails on its own header.
    """
    compiler = cpp_compiler()
    if compiler is None:
        message = "there is no g++; ask cpp_compiler() first"
        raise JudgeError(message)
    parts = compiler[1], " ".join(CPP_FLAGS), *KEPT_FROM_MACROS, KEEPING
    target = headers_folder() / f"{_hash(*(part.encode() for part in parts))}-{dialect}"
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="building-") as name:
            work = Path(name)
            (work / "bits").mkdir()
            for header in KEPT_FROM_MACROS:
                (work / header).write_text(KEEPING.format(name=header), encoding="utf-8")
            (work / "all.h").write_text(f"#include <{HEADER}>\n", encoding="utf-8")
            flags = [*CPP_FLAGS, f"-std={dialect}"]
            _compile([compiler[0], *flags, "-x", "c++-header", "all.h", "-o", f"{HEADER}.gch"], work)
            _publish(work, target)
    return target


@cache
def version_of(program: str | None) -> str:
    """Return the first line of what a compiler or an interpreter says of its version, and PyPy's second; empty for none."""
    if program is None:
        return ""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    first, _, rest = done.stdout.partition("\n")
    return f"{first} {rest.strip()}" if rest.startswith("[PyPy") else first


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]
