"""Storage and databases that tests share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.store.postgres_server import PostgresServer, folder_of_programs, serving_postgres
from tests.store.s3_server import Server, serving


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Server]:
    """Serve S3 on loopback."""
    pytest.importorskip("moto", reason="moto is not installed")
    with serving() as server:
        yield server


@pytest.fixture
def s3(s3_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return the server, with its address and credentials in the environment; it behaves again afterwards."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OCR_PIPELINE_GRACE_S", "3600")
    yield s3_server
    s3_server.misbehave()


@pytest.fixture
def root(s3: Server) -> str:
    """Return a root in a bucket of its own."""
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    s3.bucket(bucket)
    return f"s3://{bucket}/root"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run Postgres on loopback."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if folder_of_programs() is None:
        pytest.skip("Postgres is not installed: apt-get install postgresql")
    with serving_postgres() as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """Return an empty database."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    postgres.do("createdb", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "tester", name)
    return postgres.url.removesuffix("test") + name
