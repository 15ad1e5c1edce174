"""Which engine runs the steps that work on record batches: local processes, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ocr_pipeline.engine.cores import usable_cores
from ocr_pipeline.engine.local import LocalEngine
from ocr_pipeline.engine.protocol import Engine
from ocr_pipeline.options import Options, option
from ocr_pipeline.steps import Service, Services

__all__ = ["CLUSTER", "ENGINE", "Cluster", "EngineOptions", "open_cluster", "open_engine"]


class Cluster(Options):
    """A Ray cluster, where there is one."""

    ray_address: str | None = option(
        None,
        "Address of a Ray cluster, such as 10.0.0.5:6379 or auto; none: processes on this machine",
        environment="OCR_PIPELINE_RAY_ADDRESS",
        affects_output=False,
    )


class EngineOptions(Cluster):
    """Local processes, or a Ray cluster."""

    workers: int | None = option(
        None, "Processes on this machine; none: one per core; 0: work in this one", ge=0, affects_output=False
    )


@contextmanager
def open_cluster(services: Services) -> Iterator[Engine | None]:
    """Give the Ray cluster, where there is one: steps that count their own local processes use nothing else."""
    yield _cluster(services.options(Cluster), services)


@contextmanager
def open_engine(services: Services) -> Iterator[Engine]:
    """Give the cluster, or local processes."""
    options = services.options(EngineOptions)
    workers = usable_cores() if options.workers is None else options.workers
    yield _cluster(options, services) or LocalEngine(workers)


def _cluster(options: Cluster, services: Services) -> Engine | None:
    if not options.ray_address:
        return None
    from ocr_pipeline.engine.ray import RayEngine

    return RayEngine(options.ray_address, note=services.note)


CLUSTER: Final[Service[Engine | None]] = Service("cluster", (Cluster,), "ocr_pipeline.engine.services:open_cluster")
ENGINE: Final[Service[Engine]] = Service("engine", (EngineOptions,), "ocr_pipeline.engine.services:open_engine")
