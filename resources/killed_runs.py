"""Ends runs whose process was killed, so that they hold no place in a pool and can be tried again.

Dagster's default launcher cannot tell: after ``kill -9`` a run stays "started" for as long as
``run_monitoring.max_runtime_seconds``, and so does its place in the teacher's pool, for which the next run waits. The
run's events name its process; a tag of ours names the machine. A run of another machine or container is left alone.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import dagster as dg

__all__ = ["MACHINE_TAG", "end_killed_runs", "mark_machine"]

MACHINE_TAG: Final = "ocr_pipeline/machine"
EXECUTING: Final = "Executing steps"
BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
KERNEL: Final = Path("/proc/stat")
NAMESPACE: Final = Path("/proc/self/ns/pid")
STATE_FIELD: Final = 0  # of /proc/PID/stat behind the command's name
START_FIELD: Final = 19
CLOCKS_DIFFER_S: Final = 2.0


def mark_machine(instance: dg.DagsterInstance, run_id: str) -> None:
    """Note in a tag of the run on which machine its process lives."""
    if BOOT.exists() and instance.has_run(run_id):
        instance.add_run_tags(run_id, {MACHINE_TAG: _machine()})


def end_killed_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report every started run as failed whose process on this machine is gone; return their ids.

    Their places in pools are given back at once. What they wrote is whole or absent, and what the teacher answered is in
    the ledger, so that the next run goes on where they ended.
    """
    if not BOOT.exists():
        return []
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={MACHINE_TAG: _machine()})
    killed = [record for record in instance.get_run_records(started) if _is_killed(instance, record)]
    for record in killed:
        instance.report_run_failed(
            record.dagster_run, "its process was killed; what it finished is kept: run the same again"
        )
        instance.event_log_storage.free_concurrency_slots_for_run(record.dagster_run.run_id)
    return [record.dagster_run.run_id for record in killed]


def _is_killed(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    pid = _pid(instance, record.dagster_run.run_id)
    return pid is not None and not _has_lived_since(pid, record.start_time or 0.0)


def _pid(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """Return the process that leads the run, from the last event that names it."""
    found = None
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        if event is not None and (event.message or "").startswith(EXECUTING):
            found = int(str(event.engine_event_data.metadata["pid"].value))
    return found


def _has_lived_since(pid: int, moment_s: float) -> bool:
    """Whether the process exists and is not a later one that got the same number."""
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot_s = next(float(line.split()[1]) for line in KERNEL.read_text().splitlines() if line.startswith("btime"))
        started_s = boot_s + int(fields[START_FIELD]) / os.sysconf("SC_CLK_TCK")
        return fields[STATE_FIELD] != "Z" and started_s <= moment_s + CLOCKS_DIFFER_S
    return False


def _machine() -> str:
    """Name what process ids are counted in: this boot of this kernel, and the container."""
    return f"{BOOT.read_text().strip()} {NAMESPACE.readlink()}"
