"""What runs by the clock, or when a file is dropped; all of it is off until somebody turns it on.

The one exception ends runs whose process is gone: it costs nothing and starts nothing.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Final

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.alerts import alert_on_failure
from assets.automation import SENSORS as AUTOMATION
from assets.external import observations
from assets.metadata import OWNER
from ocr_pipeline import sources
from ocr_pipeline.contamination.steps import BenchmarkOptions
from ocr_pipeline.sources import SOURCES, Role
from ocr_pipeline.sources.steps import RawOptions
from ocr_pipeline.tables import PROBLEMS, Language
from resources import BenchmarksResource, RawResource, StoreResource
from resources.killed_runs import end_killed_runs

__all__ = ["JOBS", "SCHEDULES", "SENSORS", "killed_runs", "outside_changed", "raw_files_changed", "weekly_ingest"]


def _job(name: str, selection: list[str], description: str) -> UnresolvedAssetJobDefinition:
    costs = "teacher" if "responses" in selection else "cpu"
    return dg.define_asset_job(name, selection, description=description, owners=[OWNER], tags={"costs": costs})


INGEST_JOB: Final = _job(
    "ingest_raw", ["problems", "tests", "solutions", "rejected"], "Raw files of a data set in normal form."
)
DEDUP_JOB: Final = _job(
    "choose_problems",
    ["duplicate_pairs", "unique_problems", "contamination", "clean_problems"],
    "Duplicates and contamination: the problems that may be asked about.",
)
TEACHER_JOB: Final = _job(
    "ask_teacher",
    ["responses", "samples", "reasoning_patterns"],
    "The teacher, within the caps of its resource, and its answers in parts.",
)
TRUST_JOB: Final = _job(
    "check_tests", ["test_trust", "test_quality"], "What correct and wrong programs say of the tests."
)
JUDGE_JOB: Final = _job(
    "judge_samples",
    ["executions", "problem_difficulty", "sft_dataset"],
    "Verdicts of the judge, and the data set that is selected by them.",
)
REPORT_JOB: Final = _job("report", ["funnel", "data_card"], "Where every row went, and what the data set is.")
JOBS: Final = (INGEST_JOB, DEDUP_JOB, TEACHER_JOB, TRUST_JOB, JUDGE_JOB, REPORT_JOB)


@dg.schedule(
    cron_schedule="0 3 * * 1",
    job=INGEST_JOB,
    description="Every week: data sets whose raw files are there; nothing is rebuilt when none changed.",
)
def weekly_ingest(context: dg.ScheduleEvaluationContext, raw_files: RawResource) -> Iterator[dg.RunRequest]:
    """Ingest every data set whose raw files are present; nothing is rebuilt when none changed."""
    week = context.scheduled_execution_time.date().isoformat()
    for dataset in raw_files.options(RawOptions).present():
        yield dg.RunRequest(run_key=f"{dataset}-{week}", partition_key=dataset)


def _nightly(
    job: UnresolvedAssetJobDefinition, hour: int, of: Callable[[str], tuple[str, str]]
) -> dg.ScheduleDefinition:
    """Return a schedule that runs a job every night over all partitions of the data sets that are there: a backfill."""

    @dg.schedule(
        name=f"nightly_{job.name}",
        cron_schedule=f"0 {hour} * * *",
        job=job,
        description=f"Every night: {job.description} What did not change is not made again.",
    )
    def nightly(context: dg.ScheduleEvaluationContext, store: StoreResource) -> Iterator[dg.RunRequest]:
        night = context.scheduled_execution_time.date().isoformat()
        for keys in store.open().partitions(PROBLEMS):
            if SOURCES[keys["dataset"]].role is Role.TRAIN:
                first, last = of(keys["dataset"])
                yield dg.RunRequest(
                    run_key=f"{job.name}-{keys['dataset']}-{night}",
                    tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
                )

    return nightly


def _both_languages(dataset: str) -> tuple[str, str]:
    languages = [language.value for language in Language]
    return f"{dataset}|{languages[0]}", f"{dataset}|{languages[-1]}"


SCHEDULES: Final = (
    weekly_ingest,
    dg.ScheduleDefinition(
        name="nightly_choose_problems",
        cron_schedule="0 0 * * *",
        job=DEDUP_JOB,
        description="Every night: new problems and new reviews.",
    ),
    _nightly(TEACHER_JOB, 1, _both_languages),
    _nightly(TRUST_JOB, 5, lambda dataset: (dataset, dataset)),
    _nightly(JUDGE_JOB, 6, _both_languages),
    dg.ScheduleDefinition(
        name="weekly_report",
        cron_schedule="0 9 * * 1",
        job=REPORT_JOB,
        description="Every week: funnel and data card.",
    ),
)


@dg.sensor(
    minimum_interval_seconds=30,
    description="Observes raw files, reviews and benchmark files, so that what was made from older ones shows as stale.",
)
def outside_changed(
    context: dg.SensorEvaluationContext,
    raw_files: RawResource,
    benchmarks: BenchmarksResource,
    store: StoreResource,
) -> dg.SensorResult | dg.SkipReason:
    """Observe raw files, reviews and benchmark files when they change; what was made from them then shows as stale."""
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    options = raw_files.options(RawOptions)
    state = {dataset: _state(raw_files, dataset) for dataset in options.present()}
    found = {
        f"{name}|{dataset or ''}": version
        for name, dataset, version in observations(
            options, benchmarks.options(BenchmarkOptions), store, lambda dataset: state[dataset] != seen.get(dataset)
        )
    }
    changed = {key: version for key, version in found.items() if seen.get(key) != version}
    if not changed:
        return dg.SkipReason("raw files, reviews and benchmarks are as they were")
    events = [
        dg.AssetObservation(
            key.split("|")[0], partition=key.split("|")[1] or None, tags={"dagster/data_version": version}
        )
        for key, version in changed.items()
    ]
    return dg.SensorResult(asset_events=events, cursor=json.dumps(seen | state | found, sort_keys=True))


@dg.sensor(
    job=INGEST_JOB,
    minimum_interval_seconds=60,
    description="Ingests a data set when its raw files are new or changed.",
)
def raw_files_changed(context: dg.SensorEvaluationContext, raw_files: RawResource) -> dg.SensorResult | dg.SkipReason:
    """Start a data set's partition when its raw files are new or changed."""
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    now = {dataset: _state(raw_files, dataset) for dataset in raw_files.options(RawOptions).present()}
    changed = [dataset for dataset, state in now.items() if seen.get(dataset) != state]
    if not changed:
        return dg.SkipReason(f"no raw file changed under {raw_files.root}")
    requests = [dg.RunRequest(run_key=f"{dataset}-{now[dataset]}", partition_key=dataset) for dataset in changed]
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(now, sort_keys=True))


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process was killed, so that they free their pool.",
)
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


SENSORS: Final = (raw_files_changed, outside_changed, killed_runs, alert_on_failure, *AUTOMATION)
