"""The corpus of hostile and of tricky honest programs: as this user, as an ordinary user, and in the weaker tier."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RUNNER = Path(__file__).parent / "corpus" / "runner.py"
ROOT = RUNNER.parents[3]
NOBODY = 65_534


def run_corpus(name: str, *options: str, user: int | None = None, cache: Path | None = None) -> list[dict[str, Any]]:
    """Judge a file of the corpus in a process of its own and return its lines."""
    command, environment = [sys.executable], dict(os.environ)
    if user is not None:
        python = f"/usr/bin/python3.{sys.version_info.minor}"
        packages = next(path for path in sys.path if path.endswith("site-packages"))
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", python]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{packages}", "PYTHONDONTWRITEBYTECODE": "1",
                       "XDG_CACHE_HOME": str(cache)}  # fmt: skip
    done = subprocess.run(
        [*command, str(RUNNER), name, *options], capture_output=True, text=True, check=False, env=environment, cwd="/"
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def require_clean(lines: list[dict[str, Any]]) -> None:
    """Every program got a wanted verdict, harmed nothing, and nothing was left."""
    *programs, last = lines
    assert programs
    assert [line for line in programs if line["verdict"] not in line["wanted"]] == []
    assert [line["name"] for line in programs if line["after"] != "accepted"] == []
    assert [line["name"] for line in programs if not line["unchanged"]] == []
    assert last["left"] == []


@pytest.fixture
def nobody_cache(tmp_path: Path) -> Iterator[Path]:
    """Return a folder of the ordinary user's, or skip where this process cannot become one."""
    python = Path(f"/usr/bin/python3.{sys.version_info.minor}")
    if os.geteuid() != 0 or not python.exists():
        pytest.skip(f"needs root and {python} to become an ordinary user")
    if not ROOT.stat().st_mode & 0o005 or any(not parent.stat().st_mode & 0o001 for parent in ROOT.parents):
        pytest.skip(f"an ordinary user cannot read {ROOT}")
    cache = Path("/tmp") / f"judge-cache-{NOBODY}-{tmp_path.name}"
    cache.mkdir(mode=0o755, exist_ok=True)
    os.chown(cache, NOBODY, NOBODY)
    yield cache
    shutil.rmtree(cache)


def test_the_corpus_is_as_large_as_promised() -> None:
    """At least 60 hostile and 40 tricky honest programs, each with a name of its own."""
    counts = {}
    for name in ("adversarial", "benign"):
        lines = (RUNNER.parent / f"{name}.toml").read_text(encoding="utf-8").splitlines()
        names = [line for line in lines if line.startswith("name = ")]
        assert len(set(names)) == len(names)
        counts[name] = len(names)
    assert counts["adversarial"] >= 60
    assert counts["benign"] >= 40


def test_quick_hostile_programs() -> None:
    """Hostile Python programs that end quickly get no false verdict and leave nothing."""
    require_clean(run_corpus("adversarial"))


def test_quick_honest_programs() -> None:
    """Tricky honest Python programs are accepted."""
    require_clean(run_corpus("benign"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("corpus", ["adversarial", "benign"])
def test_whole_corpus(corpus: str) -> None:
    """Every program of the corpus, C++ included."""
    require_clean(run_corpus(corpus, "--slow"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("corpus", ["adversarial", "benign"])
def test_whole_corpus_as_an_ordinary_user(corpus: str, nobody_cache: Path) -> None:
    """The same without any privilege."""
    require_clean(run_corpus(corpus, "--slow", user=NOBODY, cache=nobody_cache))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("corpus", ["adversarial", "benign"])
def test_whole_corpus_without_namespaces(corpus: str) -> None:
    """The same in tier B, where only Landlock and seccomp isolate."""
    require_clean(run_corpus(corpus, "--slow", "--tier", "B"))
