"""What runs the steps that work on record batches."""

import dagster as dg
from pydantic import Field

from ocr_pipeline.engine import Engine, LocalEngine

__all__ = ["EngineResource"]


class EngineResource(dg.ConfigurableResource[Engine]):
    """Local processes, or a Ray cluster when an address is given."""

    workers: int = Field(
        default_factory=lambda: LocalEngine.for_this_machine().workers,
        description="Local processes; the default is one per core, 0 works in the step's own process.",
    )
    ray_address: str = Field(default="", description="Address of a Ray cluster; empty means local processes.")

    def open(self) -> Engine:
        """Return the engine."""
        return self.cluster() or LocalEngine(self.workers)

    def cluster(self) -> Engine | None:
        """Return the Ray cluster, where there is one: steps that count their own local processes use nothing else."""
        if not self.ray_address:
            return None
        from ocr_pipeline.engine.ray import RayEngine

        return RayEngine(self.ray_address)
