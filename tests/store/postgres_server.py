"""A Postgres server in a temporary folder, for tests: an ordinary user, a socket of its own on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 60


def folder_of_programs() -> Path | None:
    """Return where ``initdb`` and ``postgres`` are, or ``None``."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return places[-1] if places else None


@dataclass
class PostgresServer:
    """A running server; its database is ``test``."""

    programs: Path
    folder: Path
    port: int
    user: str | None
    fsync: bool = False

    @property
    def url(self) -> str:
        """Where it is."""
        return f"postgresql://tester@127.0.0.1:{self.port}/test"

    def do(self, program: str, *arguments: str) -> None:
        """Run one of its programs as the ordinary user."""
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(
            command, user=self.user, cwd=self.folder, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync={'on' if self.fsync else 'off'} -c max_connections=50"
        self.do("pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-o", options, "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; ``immediate`` is what a crash is."""
        self.do("pg_ctl", "-D", str(self.folder / "data"), "-m", mode, "-w", "stop")


@contextmanager
def serving_postgres(*, fsync: bool = False) -> Iterator[PostgresServer]:
    """Run a server."""
    programs = folder_of_programs()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    user = None
    if os.getuid() == 0:  # Postgres refuses to run as root
        user = next(
            entry.pw_name for name in ("postgres", "nobody") for entry in pwd.getpwall() if entry.pw_name == name
        )
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = PostgresServer(programs, folder, port, user, fsync)
    try:
        server.do("initdb", "-D", str(folder / "data"), "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
        server.start()
        server.do("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "tester", "test")
        yield server
    finally:
        subprocess.run(
            [str(programs / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "-w", "stop"],
            user=user,
            cwd=folder,
            capture_output=True,
            check=False,
        )
        shutil.rmtree(folder, ignore_errors=True)
