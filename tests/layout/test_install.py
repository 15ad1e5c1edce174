"""What is installed: lock files that agree with each other, a base that loads everything, one line for what is missing."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from ocr_pipeline.extras import EXTRAS
from tests.layout.commands import PROJECT

LOCKS = sorted((PROJECT / "requirements").glob("*.lock"))
PROJECT_TABLE = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
OPTIONAL = PROJECT_TABLE["project"]["optional-dependencies"]
LOCK_OF = {name: {"dagster": "base", "pipeline": "base"}.get(name, name) for name in OPTIONAL}
PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
UNLOCKED = {"torch", "ocr-pipeline", "pip"}
"""Torch has no hash that fits all its builds; the others are the checkout, and what every environment has."""


def plain(name: str) -> str:
    """Return a distribution's name as lock files write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    """Return the versions that a lock file names."""
    return dict(PIN.findall(path.read_text(encoding="utf-8")))


def run_without(packages: list[str], code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python in which packages are not installed."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({json.dumps(packages)}))\n"
    return subprocess.run([sys.executable, "-c", hidden + code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_extra_is_whole_in_its_lock(name: str) -> None:
    """What pyproject.toml asks for is pinned where `make` installs it from."""
    asked = {plain(re.split(r"[\[<>=;]", each)[0]) for each in OPTIONAL[name]}
    assert asked - UNLOCKED <= set(pins(PROJECT / "requirements" / f"{LOCK_OF[name]}.lock"))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_hashes_and_the_common_versions(path: Path) -> None:
    """Groups can be installed after one another in any order: none replaces what another has brought."""
    common, text = pins(PROJECT / "requirements" / "all.txt").items(), path.read_text(encoding="utf-8")
    assert pins(path).items() <= common
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", text))
    assert "://" not in text


def test_the_base_loads_the_code_location_and_every_command() -> None:
    """Nothing that only an extra brings is imported before somebody asks for it."""
    base = {*pins(PROJECT / "requirements" / "base.lock"), *UNLOCKED}
    absent = [
        package
        for package, distributions in packages_distributions().items()
        if not base & {plain(name) for name in distributions} and package.isidentifier()
    ]
    assert "ray" in absent
    code = (
        "from ocr_pipeline.definitions import build_defs; import dagster, ocr_pipeline.cli\n"
        "dagster.Definitions.validate_loadable(build_defs()); ocr_pipeline.cli.build_app()"
    )
    done = run_without(absent, code)
    assert done.returncode == 0, done.stderr[-2000:]


USES = {
    "ray": "from ocr_pipeline.engine.ray import RayEngine; act = lambda: list(RayEngine('auto').map(len, []))",
    "psycopg": (
        "from ocr_pipeline.store.postgres import Database; act = lambda: Database('postgresql://x/y', schema='', table='')"
    ),
    "accelerate": (
        "from pathlib import Path; from ocr_pipeline.student.config import TrainConfig\n"
        "from ocr_pipeline.student.training import train; act = lambda: train([], TrainConfig(), Path('.'))"
    ),
    "peft": (
        "from pathlib import Path; from ocr_pipeline.student.config import TrainConfig\n"
        "from ocr_pipeline.student.training import train\n"
        "act = lambda: train([], TrainConfig(lora_rank=4), Path('.'))"
    ),
    "gguf": (
        "from pathlib import Path; from ocr_pipeline.student.edge import Quantization, export_gguf\n"
        "act = lambda: export_gguf(None, None, Path('x.gguf'), Quantization.F16, Path('.'))"
    ),
}


@pytest.mark.parametrize("package", EXTRAS)
def test_a_missing_extra_is_one_line(package: str) -> None:
    """The line names the package and the group that brings it; a traceback would name a module of ours."""
    code = (
        f"import sys, ocr_pipeline.cli as cli\nact = cli.main\n{USES[package]}\n"
        "from ocr_pipeline.errors import PipelineError\n"
        "try: act()\nexcept PipelineError as error: sys.exit(f'ocr-pipeline: {error}')"
    )
    done = run_without([package], code)
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"`{package}` is not installed; run `make install-{EXTRAS[package]}`" in done.stderr


def test_an_extra_that_is_named_brings_its_package() -> None:
    """The hint is true: the extra lists the package, or what depends on it."""
    brought = {extra: set(pins(PROJECT / "requirements" / f"{LOCK_OF[extra]}.lock")) for extra in EXTRAS.values()}
    assert [name for name, extra in EXTRAS.items() if name not in brought[extra]] == []


def test_continuous_integration_runs_the_demo_before_it_installs_the_rest() -> None:
    """Only so does it show that the base is enough for the demo."""
    steps = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert steps.index("make demo") < steps.index("make lint")
