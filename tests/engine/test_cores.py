"""Workers follow the cores and the CPU quota of this process's container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocr_pipeline.engine import cores

HERE = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "groups", "wanted"),
    [
        ({}, "", HERE),
        ({"cpu.max": "50000 100000"}, "0::/\n", 1),
        ({"cpu.max": "max 100000"}, "0::/\n", HERE),
        ({"box/cpu.max": "max 100000", "cpu.max": "100000 100000"}, "0::/box\n", 1),
        ({"cpu/box/cpu.cfs_quota_us": "90000", "cpu/box/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/box\n", 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "4:cpu:/\n", HERE),
        ({"memory/cpu.max": "10 100"}, "4:memory:/\n", HERE),
        ({"cpu.max": "what"}, "0::/\n", HERE),
    ],
    ids=["none", "v2", "v2 without", "v2 above", "v1", "v1 without", "another controller", "garbage"],
)
def test_the_tightest_quota_counts(tmp_path: Path, files: dict[str, str], groups: str, wanted: int) -> None:
    """Of both versions of control groups, of the own group and those above; never more than the cores there are."""
    for name, text in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text, encoding="ascii")
    (tmp_path / "own").write_text(groups, encoding="ascii")
    assert cores.usable_cores(tmp_path / "cgroup", tmp_path / "own") == wanted
