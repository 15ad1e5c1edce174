"""Map batches over a Ray cluster, for when one machine is not enough; the result is the same bytes as locally.

It uses Ray's tasks and nothing above them: a task whose node dies runs again elsewhere. Part files and ledgers stay the
checkpoint. Every node needs this library installed; how a cluster is started, and its token, is not our business.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import pyarrow as pa

from ocr_pipeline.engine.local import MOST_WAITING_BYTES, call_packed, from_ipc, packed
from ocr_pipeline.engine.protocol import BatchFunction, Piece, Shared, SizedTask
from ocr_pipeline.errors import PipelineError
from ocr_pipeline.extras import require

__all__ = ["RayEngine"]

BATCHES_PER_CPU: Final = 2
PROBE_TIMEOUT_S: Final = 10.0
MOST_RETRIES: Final = 8  # of one batch or task, when the nodes that hold it keep dying

Value = TypeVar("Value")
Result = TypeVar("Result")
Task = TypeVar("Task", bound=SizedTask)


@dataclass(frozen=True, slots=True)
class RayEngine:
    """Maps batches over the cluster at ``address``, such as ``10.0.0.5:6379`` or ``auto``."""

    address: str
    num_cpus: float = 1.0
    """CPUs that one batch occupies."""
    note: Callable[[str, str | int], None] = lambda _, __: None
    """Takes facts: where the cluster's page is, and how many tasks it was given."""

    def map(self, function: BatchFunction, rows: Iterable[pa.RecordBatch | Piece]) -> Iterator[pa.RecordBatch]:
        """Yield ``function(batch)`` for each batch or piece, in order; a piece is read on the node that works on it.

        Raises
        ------
        PipelineError
            When the cluster is not reachable, or gives up on a batch because its nodes keep dying.
        """
        require("ray")
        import ray

        with self._connected(ray), self._failing_clearly(ray):
            yield from self._in_order(ray, self._remote(ray, call_packed), function, rows)

    def spread(self, function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield ``function(task)`` for each task, as they are done.

        Raises
        ------
        PipelineError
            As :meth:`map`.
        """
        require("ray")
        import ray

        with self._connected(ray), self._failing_clearly(ray):
            call, shared = self._remote(ray, _apply), ray.put(function)
            waiting: dict[Any, Task] = {}
            for task in tasks:
                waiting[call.remote(shared, task)] = task
                self.note("ray_tasks", 1)
                while self._is_full(ray, waiting.values()):
                    yield _next_done(ray, waiting)
            while waiting:
                yield _next_done(ray, waiting)

    def _is_full(self, ray: Any, waiting: Collection[SizedTask]) -> bool:  # noqa: ANN401 - as below
        most = self._room(ray)
        is_large = sum(task.n_bytes for task in waiting) >= MOST_WAITING_BYTES
        return len(waiting) >= most or (is_large and len(waiting) >= most // BATCHES_PER_CPU)

    def share(self, value: Value) -> Shared[Value]:
        """Put a value into the cluster's object store; only while :meth:`spread` asks for tasks."""
        import ray

        return _Stored(ray.put(value))

    def _remote(self, ray: Any, function: Callable[..., Any]) -> Any:  # noqa: ANN401 - as below
        return ray.remote(function).options(num_cpus=self.num_cpus, max_retries=MOST_RETRIES)

    @contextmanager
    def _failing_clearly(self, ray: Any) -> Iterator[None]:  # noqa: ANN401 - as below
        try:
            yield
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            message = f"the Ray cluster at `{self.address}` lost a task: {error}; look at its nodes, then run again"
            raise PipelineError(message) from error

    @contextmanager
    def _connected(self, ray: Any) -> Iterator[None]:  # noqa: ANN401 - the module, imported where it is used
        """Connect unless this process already is; what was connected before stays so."""
        if ray.is_initialized():
            yield
            return
        try:
            _probe(self.address)
            context = ray.init(address=self.address, log_to_driver=False, logging_level="error")
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            message = (
                f"no Ray cluster at `{self.address}`: {error}; start one, and set RAY_AUTH_MODE as its head has it"
            )
            raise PipelineError(message) from error
        try:
            self.note("ray_address", self.address)
            if context.dashboard_url:
                self.note("ray_dashboard", f"http://{context.dashboard_url}")
            yield
        finally:
            ray.shutdown()

    def _in_order(
        self,
        ray: Any,  # noqa: ANN401 - as above
        task: Any,  # noqa: ANN401 - what ray.remote returns
        function: BatchFunction,
        rows: Iterable[pa.RecordBatch | Piece],
    ) -> Iterator[pa.RecordBatch]:
        """Keep a bounded number of batches in flight; it follows the cluster as nodes come and go."""
        shared = ray.put(function)
        waiting: deque[tuple[Any, Piece | None]] = deque()  # what pieces refer to is there while they wait
        for each in rows:
            kept = None if isinstance(each, pa.RecordBatch) else each
            waiting.append((task.remote(shared, packed(each)), kept))
            self.note("ray_tasks", 1)
            while len(waiting) >= self._room(ray):
                yield from_ipc(ray.get(waiting[0][0]))
                waiting.popleft()
        while waiting:
            yield from_ipc(ray.get(waiting[0][0]))
            waiting.popleft()

    def _room(self, ray: Any) -> int:  # noqa: ANN401 - as above
        cpus = ray.cluster_resources().get("CPU", 1.0)
        return max(1, int(BATCHES_PER_CPU * cpus / self.num_cpus))


@dataclass(frozen=True, slots=True)
class _Stored(Generic[Value]):
    """A value in the object store."""

    reference: Any

    def get(self) -> Value:
        """Return it; a node fetches it once."""
        import ray

        value: Value = ray.get(self.reference)
        return value


def _next_done(ray: Any, waiting: dict[Any, Any]) -> Any:  # noqa: ANN401 - as above
    """Wait for a task and return its result."""
    done = ray.wait(list(waiting), num_returns=1)[0][0]
    del waiting[done]
    return ray.get(done)


def _probe(address: str) -> None:
    """Fail at once where nobody listens: Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=PROBE_TIMEOUT_S).close()


def _apply(function: Callable[[Any], Any], task: Any) -> Any:  # noqa: ANN401 - any task and result
    return function(task)
