"""Servers that we start: ready when entered, watched, stopped, and never left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ocr_pipeline.errors import TeacherError
from ocr_pipeline.teacher.generate import generate
from ocr_pipeline.teacher.options import GenerateConfig
from ocr_pipeline.teacher.servers import ManagedVllm, Replay, VllmConfig, attach, is_healthy, vllm_command
from tests.teacher import world as tw

REPLAY_COMMAND = (sys.executable, "-m", "ocr_pipeline.cli", "replay", "--port", "{port}")
SERVE = textwrap.dedent(
    """
    import sys, subprocess
    from http.server import BaseHTTPRequestHandler, HTTPServer
    engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    print(f"engine {engine.pid}", flush=True)
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.end_headers()
        def log_message(self, *args): pass
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
    """
)


def until(done: Callable[[], bool]) -> None:
    """Wait for something that happens in another process."""
    deadline_s = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline_s, "it did not happen in a minute"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Whether the process has ended."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_replay_is_ready_when_entered_and_gone_afterwards(tmp_path: Path) -> None:
    """The demo's server: problems in, rows out, and no process left."""
    with Replay() as server:
        pid = server._process.pid if server._process else 0
        rows = tw.Rows()
        counts = generate(
            tw.batches(tw.problems(4)),
            config=GenerateConfig(model=server.model, language="cpp", samples=1, window=4),
            server=server,
            ledger=tmp_path,
            dataset="toy",
            writer=rows,
        )
        assert counts.kept == 4
        assert is_healthy(server.urls[0].replace("/v1", "/health"))
    assert is_gone(pid)
    assert not is_healthy(server.urls[0].replace("/v1", "/health"))


def test_a_server_that_cannot_start_says_why() -> None:
    """The last lines of its log stand in the message."""
    told = pytest.raises(TeacherError, match=r"ended with status 2 before it was ready: .*`428:1` is not a fault")
    with told, Replay(faults="428:1"):
        pass


def managed(script: str = SERVE, **options: object) -> tuple[ManagedVllm, list[str]]:
    """Return a managed server that runs a script with a child of its own, and its log."""
    log: list[str] = []
    config = VllmConfig(model="m", command=(sys.executable, "-c", script, "{port}"), **options)  # type: ignore[arg-type]
    return ManagedVllm(config, on_line=log.append), log


def engine_of(log: list[str]) -> int:
    """Return the process id that the script last printed."""
    return int([line for line in log if line.startswith("engine")][-1].split()[1])


def test_a_managed_server_is_stopped_with_everything_it_started() -> None:
    """Also an engine in a session of its own."""
    server, log = managed()
    with server:
        engine, supervisor = engine_of(log), server.pid
        assert supervisor is not None
        assert not is_gone(engine)
    assert is_gone(engine)
    assert is_gone(supervisor)


def test_a_managed_server_that_dies_is_started_again_at_the_same_address() -> None:
    """The old engine is ended before the new one starts; the log tells it."""
    server, log = managed()
    with server:
        first = engine_of(log)
        supervisor = server.pid
        assert supervisor is not None
        psutil.Process(supervisor).children()[0].kill()
        until(lambda: engine_of(log) != first)
        until(lambda: is_healthy(server.urls[0].replace("/v1", "/health")))
        assert is_gone(first)
        assert server.restarts == 1
        assert any("started again" in line for line in log)
    assert is_gone(engine_of(log))


def test_a_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    """Kill -9 of the process that started the server ends the server and its engine."""
    script = textwrap.dedent(
        f"""
        import time
        from tests.teacher.test_servers import managed
        server, log = managed()
        with server:
            open({str(tmp_path / "pids")!r} + ".tmp", "w").write(f"{{server.pid}} {{log[0].split()[1]}}")
            import os; os.rename({str(tmp_path / "pids")!r} + ".tmp", {str(tmp_path / "pids")!r})
            time.sleep(600)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
    try:
        until((tmp_path / "pids").exists)
        supervisor, engine = map(int, (tmp_path / "pids").read_text().split())
        children = [child.pid for child in psutil.Process(supervisor).children()]
    finally:
        parent.kill()
        parent.wait()
    for pid in (supervisor, engine, *children):
        until(lambda pid=pid: is_gone(pid))  # type: ignore[misc]


def test_a_killed_supervisor_leaves_nothing_behind() -> None:
    """The kernel ends the command when its supervisor is killed; its engine is found and ended; both start again."""
    server, log = managed()
    with server:
        first, supervisor = engine_of(log), server.pid
        assert supervisor is not None
        command = psutil.Process(supervisor).children()[0].pid
        os.kill(supervisor, signal.SIGKILL)
        until(lambda: is_gone(command))
        until(lambda: engine_of(log) != first)
        assert is_gone(first)
    assert is_gone(engine_of(log))


def test_a_server_that_never_gets_ready_is_ended() -> None:
    """After the time for starting there is one line, and no process."""
    server, log = managed("print('engine 1', flush=True); import time; time.sleep(600)", start_timeout_s=1.0)
    with pytest.raises(TeacherError, match="was not ready after 1 s: engine 1"):
        server.__enter__()
    assert log == ["engine 1"]
    assert server.pid is not None
    assert is_gone(server.pid)


def test_generation_goes_on_while_a_managed_server_is_killed(tmp_path: Path) -> None:
    """The client waits for the restart: no failure, no attempt counted, every row there."""
    config = VllmConfig(model="replay/sample", command=(*REPLAY_COMMAND, "--faults", "delay:uniform(0.05,0.1)"))
    with ManagedVllm(config) as server:
        supervisor = server.pid
        assert supervisor is not None
        victim = psutil.Process(supervisor).children()[0]

        class KillOnce:
            def advance(self, rows: int = 1, **_: float) -> None:
                if rows and not is_gone(victim.pid):
                    victim.kill()

        rows = tw.Rows()
        counts = generate(
            tw.batches(tw.problems(400)),
            config=tw.config(window=8),
            server=server,
            ledger=tmp_path,
            dataset="toy",
            writer=rows,
            progress=KillOnce(),
        )
        assert server.restarts == 1
    assert (counts.kept, {row["attempts"] for row in rows.list()}) == (400, {1})
    assert counts.notes["retries_connection"] >= 1


def test_the_command_line_of_vllm() -> None:
    """What is configured is passed on; a command with a port of its own is taken as it is."""
    config = VllmConfig(
        model="deepseek-ai/DeepSeek-R1",
        revision="abc",
        tensor_parallel=8,
        pipeline_parallel=2,
        max_model_len=32768,
        extra_arguments=("--distributed-executor-backend", "ray"),
    )
    assert " ".join(vllm_command(config, 8000)) == (
        "vllm serve deepseek-ai/DeepSeek-R1 --host 127.0.0.1 --port 8000 --revision abc --tensor-parallel-size 8 "
        "--pipeline-parallel-size 2 --max-model-len 32768 --reasoning-parser deepseek_r1 --distributed-executor-backend ray"
    )
    module = VllmConfig(
        model="/m", command=("python", "-m", "vllm.entrypoints.openai.api_server"), reasoning_parser=None
    )
    assert vllm_command(module, 1)[3:5] == ["--model", "/m"]
    assert vllm_command(VllmConfig(model="m", command=("run", "-p", "{port}:8000")), 7) == ["run", "-p", "7:8000"]


def test_attaching_needs_a_list_of_urls() -> None:
    """A single string would be taken letter by letter."""
    with pytest.raises(TeacherError, match="give at least one"):
        attach([])
    with pytest.raises(TeacherError, match="is not a list of base URLs"):
        attach("http://host")
