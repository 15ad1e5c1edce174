"""The sandbox: runs programs that nobody trusts, and says of each what the kernel says of it.

``jails.py`` is the supervisor's side, ``native/`` what runs on the other side (C, and the driver of Python programs),
``protocol.py`` what both must agree on, ``visible.py`` what programs see of the machine, ``probing.py`` which isolation
works here, ``building.py`` how the C parts are built. Problems, expected outputs and verdicts do not belong here. What it
promises and what not is in ``docs/threat_model.md``.
"""

from ocr_pipeline.judge.sandbox.jails import (
    CANNOT_START,
    MIB,
    NO_FILES,
    DisturbedError,
    Jail,
    JailFiles,
    JailGoneError,
    JailLimits,
    RawResult,
    Sandbox,
    SandboxPlan,
    Tier,
    memory_file,
)
from ocr_pipeline.judge.sandbox.probing import TierReport, choose_plan, probe, pypy_plan
from ocr_pipeline.judge.sandbox.visible import PACKAGES, package_versions, require_hidden

__all__ = [
    "CANNOT_START",
    "MIB",
    "NO_FILES",
    "PACKAGES",
    "DisturbedError",
    "Jail",
    "JailFiles",
    "JailGoneError",
    "JailLimits",
    "RawResult",
    "Sandbox",
    "SandboxPlan",
    "Tier",
    "TierReport",
    "choose_plan",
    "memory_file",
    "package_versions",
    "probe",
    "pypy_plan",
    "require_hidden",
]
