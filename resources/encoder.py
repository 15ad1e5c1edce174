"""Which model turns statements into vectors."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from ocr_pipeline.similarity import Encoder, load_encoder

__all__ = ["EncoderResource"]


class EncoderResource(dg.ConfigurableResource[Encoder]):
    """A sentence-transformers model."""

    model: str = Field(default="", description="Hub id or folder; empty means the embedded all-MiniLM-L6-v2.")

    def load(self, cache: Path) -> Encoder:
        """Load the model; vectors are cached under ``cache`` by content and model."""
        return load_encoder(self.model or None, cache=cache)
