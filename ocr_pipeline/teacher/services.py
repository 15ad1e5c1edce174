"""The teacher as a service of steps: a server that is started when it is first asked, and a model's opinion on pairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final

from ocr_pipeline.asking import Asking, Connection, ManagedServer, Pace
from ocr_pipeline.similarity.services import OpinionOptions
from ocr_pipeline.steps import LEDGER, Service, Services
from ocr_pipeline.teacher.opinions import TeacherOpinions
from ocr_pipeline.teacher.servers import ManagedVllm, Replay, Server, VllmConfig, attach

__all__ = ["SERVER", "open_opinions", "open_server"]

EARLIER_LEDGERS: Final = ("opinion_ledger.sqlite", "judge_ledger.sqlite")
"""Where commands of earlier versions kept what was paid for opinions."""


class _StartedWhenUsed:
    """A server that is started when somebody first asks where it is: a run with nothing to ask starts none."""

    def __init__(self, server: AbstractContextManager[Server], stack: ExitStack) -> None:
        self._server = server
        self._stack = stack
        self._started: Server | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        return self._running.urls

    @property
    def api_key_env(self) -> str | None:
        return self._running.api_key_env

    @property
    def _running(self) -> Server:
        if self._started is None:
            self._started = self._stack.enter_context(self._server)
        return self._started


@contextmanager
def open_server(services: Services) -> Iterator[Server]:
    """Serve the teacher: running servers, a vLLM that is started here, or the recorded teacher."""
    with ExitStack() as stack:
        yield _StartedWhenUsed(_server(services), stack)


def _server(services: Services) -> AbstractContextManager[Server]:
    connection, asking = services.options(Connection), services.options(Asking)
    managed = services.options(ManagedServer)
    if connection.urls:
        return attach(connection.urls, api_key_env=connection.api_key_env)
    if managed.managed_vllm:
        config = VllmConfig(
            model=asking.model,
            command=managed.vllm_command,
            revision=asking.revision,
            tensor_parallel=managed.tensor_parallel,
            extra_arguments=managed.vllm_arguments,
        )
        return ManagedVllm(config, on_line=services.log)
    services.log("no server is named: the recorded teacher answers, and it knows the bundled sample only")
    return Replay(model=asking.model, strict=True)


@contextmanager
def open_opinions(services: Services) -> Iterator[TeacherOpinions | None]:
    """Ask a model about pairs: on its own server, or on the teacher's. No model: nobody is asked."""
    options = services.options(OpinionOptions)
    folder = services.folder(LEDGER)
    if options.opinion_model is None or folder is None:
        yield None
        return
    asked = Asking.of(services.options(Pace), model=options.opinion_model)
    earlier = (folder.parent / name for name in EARLIER_LEDGERS)
    ledger = next((path for path in earlier if path.exists()), folder / "pairs.sqlite")
    if options.opinion_url:
        with attach(options.opinion_url, options.opinion_api_key_env) as server:
            yield TeacherOpinions(server, ledger, asked)
    else:
        yield TeacherOpinions(services[SERVER], ledger, asked)


SERVER: Final[Service[Server]] = Service(
    "server", (Connection, ManagedServer, Asking), "ocr_pipeline.teacher.services:open_server", (LEDGER,)
)
