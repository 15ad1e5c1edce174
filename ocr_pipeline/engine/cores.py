"""How many cores this process may use: those it may run on, and no more than the CPU quota of its container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["usable_cores"]

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = CGROUPS, own_groups: Path = OWN_GROUPS) -> int:
    """Return the number of cores; a quota of half a core still is one worker."""
    quotas = [quota for folder in _folders(cgroups, own_groups) if (quota := _quota_of(folder)) is not None]
    return max(1, min([len(os.sched_getaffinity(0)), *map(math.ceil, quotas)]))


def _folders(cgroups: Path, own_groups: Path) -> Iterator[Path]:
    """Yield the groups of this process and all above them: the tightest quota counts."""
    lines = []
    with suppress(OSError):
        lines = own_groups.read_text(encoding="utf-8").splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [cgroups, cgroups / "unified"] if not controllers else [cgroups / controllers, cgroups / "cpu"]
        for mount in mounts:
            own = mount / path.lstrip("/")
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(mount))


def _quota_of(folder: Path) -> float | None:
    """Return the cores that a group may use: ``cpu.max`` of version 2, ``cpu.cfs_quota_us`` of version 1."""
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota_us = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        return quota_us / int((folder / "cpu.cfs_period_us").read_text(encoding="ascii")) if quota_us > 0 else None
    return None
