"""How programs are judged."""

import dagster as dg
from pydantic import Field

from ocr_pipeline.judge import Tiers, TrustConfig

__all__ = ["SandboxResource"]


class SandboxResource(dg.ConfigurableResource[TrustConfig]):
    """The judge's sandbox; it refuses to run unless it can isolate."""

    workers: int = Field(
        default=0,
        description="Programs judged at once on this machine; 0 means one per core. A Ray cluster has its own.",
    )
    tiers: str = Field(
        default="auto", description="auto, A, B, or `unsandboxed`: never chosen by itself, stored in every row."
    )
    max_tests: int = Field(default=0, description="Tests per problem at most; 0 means all.")
    solutions_per_language: int = Field(
        default=3, description="Correct solutions per problem and language that are asked about its tests."
    )

    def config(self) -> TrustConfig:
        """Return the judge's configuration."""
        return TrustConfig(
            workers=self.workers or None,
            tiers=Tiers(self.tiers),
            max_tests=self.max_tests or None,
            solutions_per_language=self.solutions_per_language,
        )
