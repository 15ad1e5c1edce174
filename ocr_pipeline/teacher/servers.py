"""Where the teacher is: URLs that run already, a replay of recorded answers, or a vLLM server that we start.

Each is a context manager with ``urls``. What is asked there is not this module's business. A process that is started
here runs under :mod:`ocr_pipeline.teacher.supervise`, which ends it with everything it started when we end,
however that happens.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from ocr_pipeline.errors import TeacherError

__all__ = ["ManagedVllm", "Replay", "Server", "VllmConfig", "attach", "vllm_command"]

MARK_NAME: Final = "OCR_PIPELINE_SERVER"
SUPERVISOR: Final = Path(__file__).with_name("supervise.py")
LOG_LINES_KEPT: Final = 40
STOP_TIMEOUT_S: Final = 20.0
HEALTH_EVERY_S: Final = 0.2
FIRST_RESTART_WAIT_S: Final = 1.0
LONGEST_RESTART_WAIT_S: Final = 60.0


class Server(Protocol):
    """Where requests go."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Base URLs of replicas of one model."""

    @property
    def api_key_env(self) -> str | None:
        """Name of the environment variable that holds the key; never the key."""


@dataclass(frozen=True, slots=True)
class Attached:
    """Servers that somebody else runs."""

    urls: tuple[str, ...]
    api_key_env: str | None = None

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to stop."""


def attach(urls: Sequence[str], api_key_env: str | None = None) -> Attached:
    """Return servers that run already.

    Raises
    ------
    TeacherError
        When no URL is given.
    """
    if isinstance(urls, str) or not urls:
        message = f"`{urls!r}` is not a list of base URLs; give at least one, such as http://localhost:8000/v1"
        raise TeacherError(message)
    return Attached(tuple(urls), api_key_env)


class _Process:
    """One supervised process whose output is read line by line."""

    def __init__(self, command: Sequence[str], *, environment: dict[str, str], on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._mark = f"{MARK_NAME}={uuid.uuid4().hex}"
        self.last_lines: deque[str] = deque(maxlen=LOG_LINES_KEPT)
        try:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SUPERVISOR), *command],
                stdin=subprocess.PIPE,  # its end tells the supervisor that we are gone
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=os.environ | environment | dict([self._mark.split("=")]),
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            message = f"`{command[0]}` cannot be started: {error}"
            raise TeacherError(message) from error
        self._reader = threading.Thread(target=self._read, name="server log", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._popen.pid

    def _read(self) -> None:
        assert self._popen.stdout is not None  # noqa: S101 - it is a pipe
        for line in self._popen.stdout:
            self.last_lines.append(line.rstrip("\n"))
            self._on_line(line.rstrip("\n"))

    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._popen.poll() is None

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Return the exit status, or ``None`` when it still runs."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End the process and everything it started."""
        if self.is_running():
            self._popen.send_signal(signal.SIGTERM)
        if self.wait(STOP_TIMEOUT_S) is None:
            self._popen.kill()  # its children get SIGKILL from the kernel
            self._popen.wait()
        _end_marked(self._mark)  # nothing is left, unless the supervisor itself was killed
        self._reader.join()
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                stream.close()


def _end_marked(mark: str) -> None:
    """End every process that inherited the mark in its environment."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)


class Replay:
    """Recorded answers, served by ``ocr-pipeline replay`` on a free port of this machine.

    Parameters
    ----------
    recordings
        A JSONL file; ``None`` means the bundled ones.
    faults
        Misbehaviour on request, as ``ocr-pipeline replay --faults`` takes it.
    strict
        Refuse prompts that no recording matches instead of answering them with any.
    model
        Name under which it serves.
    """

    api_key_env: str | None = None

    def __init__(
        self,
        recordings: Path | None = None,
        *,
        faults: str | None = None,
        strict: bool = False,
        model: str = "replay/sample",
        start_timeout_s: float = 60.0,
    ) -> None:
        self.model = model
        self._options = [
            *(["--recordings", str(recordings)] if recordings else []),
            *(["--faults", faults] if faults else []),
            *(["--strict"] if strict else []),
        ]
        self._start_timeout_s = start_timeout_s
        self._port = 0
        self._process: _Process | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """The one base URL."""
        return (f"http://127.0.0.1:{self._port}/v1",)

    def __enter__(self) -> Self:
        """Start it and wait until it answers.

        Raises
        ------
        TeacherError
            When it does not start; with what it said.
        """
        self._port = free_port()
        command = [sys.executable, "-m", "ocr_pipeline.cli", "replay", "--port", str(self._port), "--model", self.model]
        self._process = _Process([*command, *self._options], environment={}, on_line=_ignore)
        try:
            wait_until_healthy(self._process, f"http://127.0.0.1:{self._port}/health", self._start_timeout_s)
        except TeacherError:
            self._process.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.stop()


@dataclass(frozen=True, slots=True)
class VllmConfig:
    """How a vLLM server is started.

    Parameters
    ----------
    model
        Hub id or folder.
    command
        What to run in place of ``vllm serve``: another environment, a container. ``{port}`` in it is replaced.
    """

    model: str
    command: tuple[str, ...] = ("vllm", "serve")
    revision: str | None = None
    served_model_name: str | None = None
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    max_model_len: int | None = None
    reasoning_parser: str | None = "deepseek_r1"
    extra_arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    host: str = "127.0.0.1"
    start_timeout_s: float = 3600.0
    max_restarts: int = 20


def vllm_command(config: VllmConfig, port: int) -> list[str]:
    """Return the whole command line.

    A configured command that holds ``{port}`` is taken as it is: it knows its model and its options itself.
    """
    if any("{port}" in part for part in config.command):
        return [part.replace("{port}", str(port)) for part in config.command]
    named = {
        "--revision": config.revision,
        "--served-model-name": config.served_model_name,
        "--tensor-parallel-size": config.tensor_parallel if config.tensor_parallel > 1 else None,
        "--pipeline-parallel-size": config.pipeline_parallel if config.pipeline_parallel > 1 else None,
        "--max-model-len": config.max_model_len,
        "--reasoning-parser": config.reasoning_parser,
    }
    options = [part for name, value in named.items() if value is not None for part in (name, str(value))]
    # `vllm serve MODEL` takes the model as it stands; the older module form needs `--model`, so it is given by name there.
    model = [config.model] if config.command[-1] == "serve" else ["--model", config.model]
    return [*config.command, *model, "--host", config.host, "--port", str(port), *options, *config.extra_arguments]


class ManagedVllm:
    """A server that we start, watch, start again when it dies, and stop; its log goes to ``on_line``.

    The pipeline never imports vLLM: it runs in an environment or a container of its own.
    """

    api_key_env: str | None = None

    def __init__(self, config: VllmConfig, *, on_line: Callable[[str], None] | None = None) -> None:
        self._config = config
        self._on_line = on_line or _ignore
        self._port = 0
        self._process: _Process | None = None
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self.restarts = 0

    @property
    def model(self) -> str:
        """The name to ask for."""
        return self._config.served_model_name or self._config.model

    @property
    def urls(self) -> tuple[str, ...]:
        """The one base URL."""
        return (f"http://{self._config.host}:{self._port}/v1",)

    @property
    def pid(self) -> int | None:
        """Process id of the supervisor, while there is one."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        """Start it and wait until it is healthy.

        Raises
        ------
        TeacherError
            When it ends or is not healthy in time; with the last lines of its log.
        """
        self._port = free_port()
        self._stopping.clear()
        self._process = self._started()
        try:
            wait_until_healthy(self._process, self._health_url, self._config.start_timeout_s)
        except BaseException:
            self._process.stop()
            raise
        self._watcher = threading.Thread(target=self._watch, name="server watch", daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it with everything it started."""
        self._stopping.set()
        if self._process is not None:
            self._process.stop()
        if self._watcher is not None:
            self._watcher.join()

    @property
    def _health_url(self) -> str:
        return f"http://{self._config.host}:{self._port}/health"

    def _started(self) -> _Process:
        command = vllm_command(self._config, self._port)
        return _Process(command, environment=dict(self._config.environment), on_line=self._on_line)

    def _watch(self) -> None:
        """Start the server again when it ended; the client meanwhile waits for it."""
        wait_s = FIRST_RESTART_WAIT_S
        while not self._stopping.is_set() and self._process is not None:
            started_s = time.monotonic()
            status = self._process.wait()
            if self._stopping.is_set():
                return
            if self.restarts >= self._config.max_restarts:
                self._on_line(
                    f"the server ended with status {status}; it was started {self.restarts} times again, no more"
                )
                return
            self._on_line(f"the server ended with status {status}; it is started again")
            wait_s = FIRST_RESTART_WAIT_S if time.monotonic() - started_s > LONGEST_RESTART_WAIT_S else wait_s
            if self._stopping.wait(wait_s):
                return
            wait_s = min(2 * wait_s, LONGEST_RESTART_WAIT_S)
            self._process.stop()
            self._process = self._started()
            self.restarts += 1


def free_port() -> int:
    """Return a port of the loopback device that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_healthy(process: _Process, url: str, timeout_s: float) -> None:
    """Return when the server answers its health check.

    Raises
    ------
    TeacherError
        When the process ends first, or the time is over; with the last lines of its log.
    """
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if not process.is_running():
            message = f"the server ended with status {process.wait()} before it was ready: {_tail(process)}"
            raise TeacherError(message)
        if is_healthy(url):
            return
        process.wait(HEALTH_EVERY_S)
    message = f"the server was not ready after {timeout_s:g} s: {_tail(process)}"
    raise TeacherError(message)


def is_healthy(url: str) -> bool:
    """Whether a GET of ``url`` answers 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5.0) as reply:
            return int(reply.status) == 200  # noqa: PLR2004 - HTTP
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _tail(process: _Process) -> str:
    return " | ".join(list(process.last_lines)[-5:]) or "it wrote nothing"


def _ignore(_: str) -> None:
    """Take a line of a log that nobody reads."""
