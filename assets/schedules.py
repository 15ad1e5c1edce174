"""When things run by themselves: raw data is ingested every week, and whenever a file is dropped."""

import hashlib
import json
from collections.abc import Iterator

import dagster as dg

from ocr_pipeline import sources
from ocr_pipeline.sources.steps import RawOptions
from resources import RawResource
from resources.killed_runs import end_killed_runs

__all__ = ["INGEST_JOB", "REPORT_JOB", "killed_runs", "raw_files_changed", "weekly_ingest", "weekly_report"]

INGEST_JOB = dg.define_asset_job("ingest_raw", selection=["problems", "tests", "solutions", "rejected"])
REPORT_JOB = dg.define_asset_job("report", selection=["funnel", "data_card"])


@dg.schedule(cron_schedule="0 3 * * 1", job=INGEST_JOB)
def weekly_ingest(context: dg.ScheduleEvaluationContext, raw_files: RawResource) -> Iterator[dg.RunRequest]:
    """Ingest every data set whose raw files are present; nothing is rebuilt when none changed."""
    week = context.scheduled_execution_time.date().isoformat()
    for dataset in raw_files.options(RawOptions).present():
        yield dg.RunRequest(run_key=f"{dataset}-{week}", partition_key=dataset)


weekly_report = dg.ScheduleDefinition(name="weekly_report", cron_schedule="0 5 * * 1", job=REPORT_JOB)


@dg.sensor(job=INGEST_JOB, minimum_interval_seconds=60)
def raw_files_changed(context: dg.SensorEvaluationContext, raw_files: RawResource) -> dg.SensorResult | dg.SkipReason:
    """Start a data set's partition when its raw files are new or changed."""
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    now = {dataset: _state(raw_files, dataset) for dataset in raw_files.options(RawOptions).present()}
    changed = [dataset for dataset, state in now.items() if seen.get(dataset) != state]
    if not changed:
        return dg.SkipReason(f"no raw file changed under {raw_files.root}")
    requests = [dg.RunRequest(run_key=f"{dataset}-{now[dataset]}", partition_key=dataset) for dataset in changed]
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(now, sort_keys=True))


@dg.sensor(minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def killed_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """End runs whose process was killed, so that they free their pool and the instance's retries take over."""
    ended = end_killed_runs(context.instance)
    return dg.SkipReason(f"ended {', '.join(ended)}" if ended else "every started run has its process")


def _state(raw_files: RawResource, dataset: str) -> str:
    """Name the files by size and time of change: cheap enough for every minute; the step itself hashes them."""
    folder = raw_files.options(RawOptions).folder(dataset)
    stats = [
        (path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sources.files_below(folder)
    ]
    return hashlib.sha256(json.dumps(stats).encode()).hexdigest()[:16]
