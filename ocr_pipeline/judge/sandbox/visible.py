"""What programs in a jail can see of this machine, and nothing else.

The system's own files, the interpreter, the compiler, and the packages that contest judges offer. Data is never below
one of these (:func:`require_hidden`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.sandbox.building import cpp_compiler

__all__ = [
    "HOST_DEVICES",
    "HOST_FOLDERS",
    "PACKAGES",
    "compiler_files",
    "interpreter_files",
    "is_pypy",
    "package_folders",
    "package_versions",
    "packages_of",
    "require_hidden",
    "without_packages",
]

HOST_FOLDERS: Final = (
    "/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/include", "/usr/share/zoneinfo",
    "/bin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/etc/alternatives",
)  # fmt: skip
"""The system's own programs, libraries and headers: a compiler needs them."""
HOST_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

PACKAGES: Final = (
    "numpy", "scipy", "numba", "networkx", "sympy", "more_itertools", "bitarray", "gmpy2", "atcoder", "pandas",
    "sortedcontainers",
)  # fmt: skip
"""What contest judges offer beside the standard library; the extra `judge` installs them."""
PURE_PACKAGES: Final = ("sortedcontainers", "atcoder")
"""Those of them that PyPy can import too: in Python alone, for every version of it."""
NEEDED_BY_PACKAGES: Final = (
    "numpy.libs", "scipy.libs", "llvmlite", "llvmlite.libs", "mpmath", "gmpy2.libs", "pandas.libs", "dateutil", "pytz",
    "tzdata", "six.py",
)  # fmt: skip


DISTRIBUTIONS: Final = {"atcoder": "ac_library_python"}
"""Where a distribution is not called as its package."""


def is_pypy(python: str) -> bool:
    """Say whether an interpreter is PyPy."""
    return Path(python).name.startswith("pypy")


@cache
def packages_of(python: str) -> tuple[str, ...]:
    """Return where those of the packages lie that an interpreter can import, what they need, and what says their versions."""
    found: dict[str, str] = {}
    for folder in (Path(each) for each in sys.path if each.endswith("-packages")):
        for name in PURE_PACKAGES if is_pypy(python) else (*PACKAGES, *NEEDED_BY_PACKAGES):
            path = folder / name
            if name not in found and path.exists():
                found[name] = str(path)
                metadata = folder.glob(f"{DISTRIBUTIONS.get(name, name)}-*.dist-info")
                found.update({each.name: str(each) for each in metadata})
    return tuple(found.values())


@cache
def package_versions(python: str) -> dict[str, str]:
    """Return the versions of the packages that programs can import with an interpreter."""
    here = {Path(path).name for path in packages_of(python)}
    versions: dict[str, str] = {}
    for name in PACKAGES:
        if name in here:
            with suppress(PackageNotFoundError):
                versions[name] = version(DISTRIBUTIONS.get(name, name))
    return versions


def interpreter_files(python: str) -> list[str]:
    """Return what an interpreter outside the system's folders consists of: never its whole prefix, which may be a home."""
    own = Path(python).resolve()
    prefix = own.parent.parent
    if prefix == Path("/usr"):
        return []
    library = prefix / "lib" / own.name
    libraries = prefix / "lib"
    shared = (
        [*own.parent.glob("libpypy*.so*"), *libraries.glob("lib*.so*")]  # it brings its own libraries
        if is_pypy(own.name)
        else libraries.glob("libpython3*.so*")
    )
    return [str(path) for path in (own, library, *sorted(shared)) if path.exists()]


def package_folders(own: Iterable[str]) -> list[str]:
    """Return the folders of installed packages inside an interpreter's own: they are nobody's business."""
    return [str(path) for folder in own for path in sorted(Path(folder).glob("*-packages"))]


def without_packages(own: Iterable[str]) -> Iterator[str]:
    """Yield an interpreter's files without its installed packages: Landlock allows whole folders, and cannot except one."""
    for path in map(Path, own):
        if path.is_dir():
            yield f"+{path}"
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        yield from (str(each) for each in inside if not each.name.endswith("-packages"))


def compiler_files() -> list[str]:
    """Return what a C++ compiler outside the system's folders consists of."""
    compiler = cpp_compiler()
    prefix = Path(compiler[0]).resolve().parent.parent if compiler else Path("/usr")
    if prefix == Path("/usr"):
        return []
    parts = (prefix / name for name in ("bin", "lib", "lib64", "libexec", "include"))
    return [str(path) for path in parts if path.exists()]


def require_hidden(paths: Iterable[Path]) -> None:
    """Refuse data that programs could read.

    Raises
    ------
    JudgeError
        When a path is below one that is readable in the sandbox.
    """
    own = sys.executable
    readable = [Path(each) for each in (*HOST_FOLDERS, *interpreter_files(own), *packages_of(own))]
    for path in paths:
        below = next((folder for folder in readable if path.resolve().is_relative_to(folder.resolve())), None)
        if below is not None:
            message = f"`{path}` is below `{below}`, which judged programs can read; move the data elsewhere"
            raise JudgeError(message)
