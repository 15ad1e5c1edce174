"""The teacher through Dagster: what the page shows, rounds after the judge, one server per backfill, killed runs and orphans."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pyarrow as pa
import pytest

from assets.schedules import killed_runs
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.definitions import build_defs
from ocr_pipeline.store import Store
from ocr_pipeline.tables import CLEAN_PROBLEMS, EXECUTIONS, RESPONSES, SAMPLES, Table
from ocr_pipeline.teacher.servers import Replay
from resources import StoreResource, TeacherResource
from resources.killed_runs import end_killed_runs
from tests.teacher import world as tw
from tests.teacher.scene import Scene, until

PROJECT = Path(__file__).parents[2]
TACO_PYTHON = {"dataset": "taco", "language": "python"}
WINDOW = 8


def rows_of(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows of a table; what is not given and may not be null is empty."""
    needed = {column.name: column.type for column in table.schema if not column.nullable}
    empty = {
        name: [] if pa.types.is_list(kind) else "" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else 0
        for name, kind in needed.items()
    }
    flags = {name: False for name, kind in needed.items() if pa.types.is_boolean(kind)}
    return pa.Table.from_pylist([empty | flags | row for row in rows], table.schema)


def write(store: Store, table: Table, rows: list[dict[str, Any]], partition: dict[str, str], inputs: Any = ()) -> None:
    """Write one partition."""
    with store.writer(table, partition, config={}, code_version="1", inputs=inputs) as writer:
        writer.write(rows_of(table, rows))
        writer.counts = StageCounts(len(rows), len(rows))


def a_root(folder: Path, problems: int, datasets: Sequence[str] = ("taco",)) -> Path:
    """Return a data root with clean problems of each data set."""
    rows = [
        row | {"problem_id": f"{dataset}/{row['problem_id']}", "dataset": dataset, "io_mode": "stdin"}
        for dataset in datasets
        for row in tw.problems(problems)
    ]
    write(Store(folder), CLEAN_PROBLEMS, rows, {})
    return folder


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return two recorded answers that fit every problem."""
    path = tmp_path_factory.mktemp("recordings") / "recordings.jsonl"
    answers = [
        {"match": ["Problem"], "sample_index": n, "message": {"role": "assistant", "content": f"<think>{n}</think>x"}}
        for n in range(2)
    ]
    path.write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    return path


@pytest.fixture(scope="module")
def url(recordings: Path) -> Iterator[str]:
    """Return the address of a replay."""
    with Replay(recordings) as server:
        yield server.urls[0]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Return a Dagster instance that is gone afterwards."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def materialize(
    root: Path, instance: dg.DagsterInstance, teacher: TeacherResource, first: str = "taco|python", last: str = ""
) -> dg.ExecuteInProcessResult:
    """Materialize responses for a range of partitions."""
    defs = build_defs(store=StoreResource(root=str(root)), teacher=teacher)
    job = defs.resolve_implicit_job_def_def_for_assets([dg.AssetKey("responses")])
    assert job is not None
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last or first}
    return job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("responses")], tags=tags)


def samples_per_problem(root: Path) -> list[int]:
    """Return the number of rows of each problem, in the order of the problems."""
    column = Store(root).open(RESPONSES, **TACO_PYTHON).to_table(columns=["problem_id"])["problem_id"].to_pylist()
    return [count for _, count in sorted(Counter(column).items())]


def observations(instance: dg.DagsterInstance, description: str) -> list[dict[str, Any]]:
    """Return the metadata of what was observed, oldest first."""
    records = instance.fetch_observations(dg.AssetKey("responses"), limit=100, ascending=True).records
    seen = [record.event_log_entry.asset_observation for record in records]
    found = [each for each in seen if each is not None and each.description == description]
    return [{name: entry.value for name, entry in each.metadata.items()} | {"at": each.partition} for each in found]


def test_the_page_shows_the_forecast_then_the_progress(
    url: str, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first request what is expected, while it runs where it stands; and how long the run may take."""
    monkeypatch.setattr("assets.observed.OBSERVE_EVERY_S", 0.0)
    teacher = TeacherResource(urls=[url], samples=2, max_tokens=1000, completion_price=2.0)
    result = materialize(a_root(tmp_path / "data", 3), instance, teacher)
    forecast = observations(instance, "forecast")
    assert [(each["requests"], each["reused"], each["at"]) for each in forecast] == [(6, 0, "taco|python")]
    assert forecast[0]["cost"] == pytest.approx(6 * 500 * 2.0 / 1e6)
    last = observations(instance, "in progress")[-1]
    assert (last["requests_done"], last["requests_expected"], last["errors"], last["in_flight"]) == (6, 6, 0, 0)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["dagster/max_runtime"] == str(7 * 24 * 3600)


def test_a_cap_ends_the_run_cleanly_and_a_higher_one_goes_on(
    url: str, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The run is a success, the rest is rows with their reason, and nothing is paid twice."""
    root = a_root(tmp_path / "data", 4)
    for cap, dropped in ((5, {"budget": 3}), (7, {"budget": 1})):
        teacher = TeacherResource(urls=[url], samples=2, budget_requests=cap, budget_time_s=600.0)
        assert materialize(root, instance, teacher).success
        manifest = Store(root).manifest(RESPONSES, **TACO_PYTHON)
        assert manifest is not None
        assert manifest.stage_counts.dropped == dropped
    assert manifest.stage_counts.notes["paid"] == 2


def judge(root: Path, accepted: str) -> None:
    """Write samples and executions of all responses; one problem is solved."""
    store = Store(root)
    ids = store.open(RESPONSES, **TACO_PYTHON).to_table(columns=["request_id", "problem_id"]).to_pylist()
    samples = [{"sample_id": row["request_id"], "problem_id": row["problem_id"]} for row in ids]
    write(store, SAMPLES, samples, TACO_PYTHON)
    verdicts = [
        row | {"verdict": "accepted" if row["problem_id"].endswith(accepted) else "wrong_answer"} for row in samples
    ]
    write(store, EXECUTIONS, verdicts, TACO_PYTHON, [store.reference(SAMPLES, **TACO_PYTHON)])


def test_unsolved_problems_get_another_round_once_they_are_judged(
    url: str, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Solved ones keep what they have; a round that is not judged is not followed by another; the last round is the last."""
    root = a_root(tmp_path / "data", 2)
    teacher = TeacherResource(urls=[url], samples=2, enough_accepted=1, most_samples=5)
    seen = []
    for judged in (False, True, False, True, True):
        if judged:
            judge(root, accepted="000000")
        materialize(root, instance, teacher)
        seen.append(samples_per_problem(root))
    assert seen == [[2, 2], [2, 4], [2, 4], [2, 5], [2, 5]]


def test_a_backfill_starts_the_managed_server_once_and_records_each_partition(
    recordings: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """Two data sets and two languages in one run; no server when there is nothing to ask; no process is left."""
    log = tmp_path / "starts"
    serve = f'echo "$$" >> {log}; exec "{sys.executable}" -m ocr_pipeline.cli replay --recordings "{recordings}" --port {{port}}'
    teacher = TeacherResource(urls=[], managed_vllm=True, vllm_command=["sh", "-c", serve], samples=1)
    root = a_root(tmp_path / "data", 1, datasets=("taco", "apps"))
    for _ in range(2):
        assert materialize(root, instance, teacher, "taco|python", "apps|cpp").success
    pids = log.read_text().split()
    assert len(pids) == 1
    assert not psutil.pid_exists(int(pids[0]))
    records = instance.fetch_materializations(dg.AssetKey("responses"), limit=20).records
    assert {record.partition_key for record in records} == {"taco|python", "taco|cpp", "apps|python", "apps|cpp"}


def test_what_was_finished_before_a_failure_is_recorded(
    recordings: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The first partition shows as materialized although the second one failed, for whatever reason."""
    root = a_root(tmp_path / "data", 2)
    broken = root / "_ledger" / "taco-cpp.sqlite"
    broken.parent.mkdir()
    broken.write_bytes(b"this is not a ledger" * 100)
    with Replay(recordings) as server, pytest.raises(dg.Failure, match="it is not a ledger"):
        materialize(root, instance, TeacherResource(urls=list(server.urls), samples=1), "taco|python", "taco|cpp")
    records = instance.fetch_materializations(dg.AssetKey("responses"), limit=20).records
    assert [record.partition_key for record in records] == ["taco|python"]


class Runs:
    """Real ``dagster asset materialize`` processes over one root and one instance, against a server that notes requests."""

    def __init__(self, folder: Path) -> None:
        self.scene = Scene(folder, problems=0)
        self.scene.start("server")
        self.home = folder / "home"
        self.home.mkdir()
        self._processes: list[subprocess.Popen[bytes]] = []

    def configure(self, settings: str) -> None:
        """Write the instance's settings; its storage lies beside them."""
        storage = f"storage: {{sqlite: {{base_dir: {self.home}/storage}}}}\n"
        (self.home / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\n{storage}{settings}")

    def start(self, root: Path, module: str = "ocr_pipeline.definitions") -> subprocess.Popen[bytes]:
        """Materialize responses of one partition, as CI would."""
        command = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize", "-m", module]
        options = {"resources": {"teacher": {"config": {"window": WINDOW}}}}
        environment = {
            "OCR_PIPELINE_DATA": str(root),
            "DAGSTER_HOME": str(self.home),
            "OCR_PIPELINE_TEACHER_URL": f"http://127.0.0.1:{self.scene.port}",
        }
        with (self.scene.folder / "dagster.out").open("ab") as out:
            process = subprocess.Popen(
                [*command, "--select", "responses", "--partition", "taco|python", "--config-json", json.dumps(options)],
                cwd=PROJECT,
                env=os.environ | environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def statuses(self) -> list[str]:
        """Return how the runs stand, newest first."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            return [record.dagster_run.status.value for record in instance.get_run_records()]

    def finish(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for a run that has to succeed."""
        assert process.wait(timeout=240) == 0, (self.scene.folder / "dagster.out").read_text()[-3000:]

    def close(self) -> None:
        """End everything."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.scene.close()


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """Return the runs; nothing of them is left."""
    with contextlib.closing(Runs(tmp_path)) as opened:
        yield opened


def durable(root: Path) -> set[str]:
    """Return the keys of the ledger, whoever is writing it."""
    path = root / "_ledger" / "taco-python.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        return {key.lower() for (key,) in ledger.execute("SELECT hex(request_id) FROM answers")}


def check(runs: Runs, root: Path, known: list[tuple[int, set[str]]]) -> None:
    """Nothing lost, nothing durable asked again, at most the window paid twice, and an undisturbed run's bytes."""
    columns = ["request_id", "problem_id", "params", "error"]
    rows = Store(root).open(RESPONSES, **TACO_PYTHON).to_table(columns=columns).to_pylist()
    number = {row["request_id"]: int(row["problem_id"].rsplit("/", 1)[1]) for row in rows}
    keys = {f"{number[row['request_id']]} {json.loads(row['params'])['seed']}": row["request_id"] for row in rows}
    asked = runs.scene.answered()
    assert all(row["error"] is None for row in rows)
    assert set(asked) == set(keys)
    assert [line for after, there in known for line in asked[after:] if keys[line] in there] == []
    assert len(asked) - len(set(asked)) <= WINDOW * len(known)
    calm = a_root(runs.scene.folder / "undisturbed", 60)
    runs.finish(runs.start(calm))
    both = [[path.read_bytes() for path in sorted((each / "responses").rglob("*.parquet"))] for each in (root, calm)]
    assert both[0] == both[1]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_run_frees_the_pool_and_the_next_goes_on(runs: Runs, tmp_path: Path) -> None:
    """Dagster alone would let the next run wait for ever for the place of the dead one in the teacher's pool."""
    runs.configure("concurrency: {pools: {granularity: op, default_limit: 1}}\n")
    root = a_root(tmp_path / "data", 60)
    killed = runs.start(root)
    until(lambda: len(runs.scene.answered()) > 40)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    known = [(len(runs.scene.answered()), durable(root))]
    runs.finish(runs.start(root))
    assert runs.statuses() == ["SUCCESS", "FAILURE"]
    check(runs, root, known)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("orphan_dies", [True, False])
def test_a_retry_and_the_orphan_of_a_killed_run_never_write_together(
    *, orphan_dies: bool, runs: Runs, tmp_path: Path
) -> None:
    """The step lives on when its run is killed; the retry waits for it, goes on where it ended, and nobody overwrites."""
    runs.configure("")
    root = a_root(tmp_path / "data", 60)
    killed = runs.start(root, "tests.teacher.orphans")
    until(lambda: len(runs.scene.answered()) > 20)
    orphans = [
        each for each in psutil.Process(killed.pid).children(recursive=True) if "spawn_main" in str(each.cmdline())
    ]
    killed.kill()
    killed.wait()
    assert [each.is_running() for each in orphans] == [True]
    retry = runs.start(root, "tests.teacher.orphans")
    known = []
    if orphan_dies:
        until(lambda: len(runs.scene.answered()) > 80)
        orphans[0].kill()
        until(lambda: not orphans[0].is_running() or orphans[0].status() == psutil.STATUS_ZOMBIE)
        known = [(len(runs.scene.answered()), durable(root))]
    runs.finish(retry)
    check(runs, root, known)


KILLS_ITSELF = """
import os, signal, sys
import dagster as dg
from resources import StoreResource

@dg.asset(pool="narrow")
def dies(store: StoreResource) -> None:
    os.kill(os.getpid(), signal.SIGKILL)

with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    dg.materialize([dies], instance=instance, resources={"store": StoreResource(root=sys.argv[1])})
"""


def test_the_sensor_ends_killed_runs_and_frees_their_pool(tmp_path: Path) -> None:
    """Where the daemon runs this takes a minute, and the instance's retries start the run again."""
    settings = f"storage: {{sqlite: {{base_dir: {tmp_path}/storage}}}}\n"
    (tmp_path / "dagster.yaml").write_text(f"{settings}concurrency: {{pools: {{default_limit: 1, granularity: op}}}}\n")
    killed = subprocess.run(
        [sys.executable, "-c", KILLS_ITSELF, tmp_path], cwd=PROJECT, check=False, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        (record,) = instance.get_run_records()
        assert record.dagster_run.status is dg.DagsterRunStatus.STARTED
        assert instance.event_log_storage.get_concurrency_info("narrow").claimed_slots
        told = [killed_runs(dg.build_sensor_context(instance)) for _ in range(2)]
        assert [getattr(each, "skip_message", "") for each in told] == [
            f"ended {record.dagster_run.run_id}",
            "every started run has its process",
        ]
        (record,) = instance.get_run_records()
        assert record.dagster_run.status is dg.DagsterRunStatus.FAILURE
        assert not instance.event_log_storage.get_concurrency_info("narrow").claimed_slots


def test_a_run_whose_process_lives_is_left_alone(tmp_path: Path) -> None:
    """As are runs of other machines: only what is surely dead is ended."""
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        seen: list[list[str]] = []

        @dg.asset
        def looks(context: dg.AssetExecutionContext, store: StoreResource) -> None:
            del store
            seen.append(end_killed_runs(context.instance))

        result = dg.materialize([looks], instance=instance, resources={"store": StoreResource(root=str(tmp_path))})
        assert result.success
        assert seen == [[]]
