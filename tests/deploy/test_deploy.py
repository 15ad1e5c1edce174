"""What is deployed: the files fit each other, and their services run as processes with Postgres and S3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_pipeline import open_table
from ocr_pipeline.teacher.ledger_postgres import ledger_names
from tests.assets.instance import LOCATION, Instance, answers, free_port, until
from tests.store.conftest import postgres, s3, s3_server
from tests.store.postgres_server import PostgresServer
from tests.store.s3_server import Server

__all__ = ["postgres", "s3", "s3_server"]

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
USER_DEPLOYMENT = {
    "name", "image", "dagsterApiGrpcArgs", "port", "includeConfigInLaunchedRuns", "env", "envSecrets", "volumes",
    "volumeMounts", "podSecurityContext", "securityContext", "resources",
}  # fmt: skip
"""Keys of the chart's own schema that are used here."""


def read(name: str) -> Any:
    """Parse one of the files; two equal keys are an error of ours."""
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def test_services_of_compose_name_what_is_there() -> None:
    """Volumes, other services and files of the checkout; nothing listens to other machines, nothing is privileged."""
    compose = read("compose.yaml")
    services = compose["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert not service.get("privileged"), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or source.startswith("${RAW"), volume
        for word in service.get("command", ()):
            if word.startswith("deploy/"):
                assert (PROJECT / word).is_file(), word
    assert {"postgres", "s3", "code", "webserver", "daemon", "vllm"} <= set(services)
    assert services["vllm"]["profiles"] == ["gpu"]


def test_variables_of_compose_are_read_by_somebody() -> None:
    """A variable that nobody reads is an option without effect; one that must be set is in the example."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("ocr_pipeline", "resources", "assets", "deploy")
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in {".py", ".yaml"} and path.name != "compose.yaml"
    )
    environment = read("compose.yaml")["x-environment"]
    assert all(name in sources for name in environment if not name.startswith("AWS_")), environment
    example = {line.split("=")[0] for line in (DEPLOY / "example.env").read_text().splitlines() if "=" in line}
    assert {name for name in ("POSTGRES_PASSWORD", "S3_USER", "S3_PASSWORD") if f"${{{name}" in text} <= example


def test_values_of_the_chart_have_its_keys() -> None:
    """A misspelt key would be passed over in silence; the version is that of the lock file."""
    values = read("values.yaml")
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert set(deployment) <= USER_DEPLOYMENT
    assert values["runLauncher"]["type"] == "K8sRunLauncher"
    assert set(values["runLauncher"]["config"]["k8sRunLauncher"]) <= {"imagePullPolicy", "runK8sConfig"}
    version = next(
        line for line in (PROJECT / "requirements" / "all.txt").read_text().splitlines() if line.startswith("dagster==")
    )
    assert f"--version {version.removeprefix('dagster==')}" in (DEPLOY / "values.yaml").read_text()


def test_the_image_runs_without_root() -> None:
    """Its user is the one that Kubernetes names, by number, and its server is the module of the project."""
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    context = read("values.yaml")["dagster-user-deployments"]["deployments"][0]["podSecurityContext"]
    assert users == [str(context["runAsUser"])]
    command = json.loads(next(line for line in lines if line.startswith("CMD ")).removeprefix("CMD "))
    assert command[command.index("--module-name") + 1] == "ocr_pipeline.definitions"


@contextmanager
def services(home: Path, environment: dict[str, str]) -> Iterator[tuple[Instance, dict[str, int]]]:
    """Run code location, web server and daemon as the image does, one after the other."""
    home.mkdir()
    (home / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    code, page = free_port(), free_port()
    workspace = read("workspace.yaml")
    workspace["load_from"][0]["grpc_server"] |= {"host": "127.0.0.1", "port": code, "location_name": LOCATION}
    (home / "workspace.yaml").write_text(yaml.safe_dump(workspace))
    programs = Path(sys.executable).parent
    everything = os.environ | environment | {"DAGSTER_HOME": str(home), "DAGSTER_LOGS": str(home / "logs")}
    instance = Instance(home, page)

    def healthy() -> bool:
        asked = [programs / "dagster", "api", "grpc-health-check", "--port", str(code)]
        return subprocess.run(asked, capture_output=True, check=False, env=everything).returncode == 0

    server = json.loads(
        next(line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line.startswith("CMD ")).removeprefix(
            "CMD "
        )
    )
    commands = (
        ([*server[:3], "--host", "127.0.0.1", "--port", str(code), *server[7:]], healthy),
        (
            ["dagster-webserver", "--host", "127.0.0.1", "--port", str(page), "--workspace", home / "workspace.yaml"],
            lambda: answers(instance),
        ),
        (["dagster-daemon", "run", "--workspace", home / "workspace.yaml"], lambda: True),
    )
    with ExitStack() as stack:
        pids = {}
        for command, ready in commands:
            log = stack.enter_context((home / f"{command[0]}.log").open("wb"))
            process = subprocess.Popen(
                [programs / str(command[0]), *map(str, command[1:])],
                stdout=log,
                stderr=log,
                cwd=PROJECT,
                env=everything,
            )
            pids[str(command[0])] = process.pid
            stack.callback(process.wait)
            stack.callback(process.kill)  # where the signal to end is ignored, as below a shell's background job
            stack.callback(_ended, process)
            until(ready, 180)
        yield instance, pids


def _ended(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end and give it a minute."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(60)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_same_services_as_processes(postgres: PostgresServer, s3: Server, tmp_path: Path) -> None:
    """Page, daemon and code location over Postgres and S3: raw files become rows, answers are in the database."""
    environment = s3.environment | {
        "DAGSTER_POSTGRES_HOST": "127.0.0.1",
        "DAGSTER_POSTGRES_PORT": str(postgres.port),
        "DAGSTER_POSTGRES_USER": "tester",
        "DAGSTER_POSTGRES_PASSWORD": "any",
        "DAGSTER_POSTGRES_DB": "test",
        "OCR_PIPELINE_DATA": "s3://deployed/data",
        "OCR_PIPELINE_LOCAL": str(tmp_path / "local"),
        "OCR_PIPELINE_LEDGER": postgres.url,
    }
    made = subprocess.run(
        [sys.executable, DEPLOY / "make_bucket.py", "deployed"], env=os.environ | environment, check=False
    )
    assert made.returncode == 0
    with services(tmp_path / "home", environment) as (instance, _):
        raw = ("problems", "tests", "solutions", "rejected")
        instance.finish(instance.launch(raw, {"dagster/partition": "taco"}))
        instance.finish(instance.launch(("duplicate_pairs", "unique_problems", "contamination", "clean_problems"), {}))
        instance.finish(instance.launch(("responses", "samples"), {"dagster/partition": "taco|python"}))
    assert "taco-python" in ledger_names(postgres.url)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        assert open_table("s3://deployed/data", "samples").count_rows() > 0
