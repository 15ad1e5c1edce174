"""What both comparisons of problems use: an encoder, people's reviews, and a model's opinion on pairs.

The model's server is another room's business: it is lent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

from pydantic import model_validator

from ocr_pipeline.asking import Pace
from ocr_pipeline.engine.services import CLUSTER, Cluster
from ocr_pipeline.options import Options, option
from ocr_pipeline.similarity.encoder import Encoder, load_encoder
from ocr_pipeline.similarity.opinions import PairOpinions, opinion_config
from ocr_pipeline.similarity.reviews import Reviews, read_reviews
from ocr_pipeline.steps import EMBEDDINGS, LEDGER, Rows, Service, Services

__all__ = ["ENCODER", "OPINIONS", "EncoderOptions", "OpinionOptions", "open_encoder", "reviews_of"]


class EncoderOptions(Options):
    """Which model turns statements into vectors."""

    embedding_model: str | None = option(
        None, "Hub id or folder of the embedding model; none: the bundled all-MiniLM-L6-v2", also="embedding"
    )


class OpinionOptions(Options):
    """A model that is asked about pairs no rule decides."""

    opinion_model: str | None = option(None, "Model that is asked about pairs no rule decides; none: no model is asked")
    opinion_url: tuple[str, ...] = option(
        (), "Base URL of its server, again for each equal one; none: the teacher's", affects_output=False
    )
    opinion_api_key_env: str | None = option(
        None, "Environment variable that holds the key of its server", affects_output=False
    )

    @property
    def settings(self) -> dict[str, Any]:
        """The model and the hash of what it is asked; nothing where none is asked."""
        return {**opinion_config(self.opinion_model or "")}

    @model_validator(mode="after")
    def _url_has_a_model(self) -> Self:
        if self.opinion_url and self.opinion_model is None:
            message = "opinion_url needs opinion_model: say which model the server is asked for"
            raise ValueError(message)
        return self


@contextmanager
def open_encoder(services: Services) -> Iterator[Encoder]:
    """Load the model, or let a cluster load it; vectors are cached by content and model where a folder is given."""
    model = services.options(EncoderOptions).embedding_model
    yield load_encoder(model, cache=services.folder(EMBEDDINGS), engine=services[CLUSTER])


def reviews_of(rows: Rows) -> Reviews:
    """Return what people decided; nothing where nobody did."""
    return read_reviews(rows.source) if rows.exist else Reviews()


ENCODER: Final[Service[Encoder]] = Service(
    "encoder", (EncoderOptions, Cluster), "ocr_pipeline.similarity.services:open_encoder", (EMBEDDINGS,)
)
OPINIONS: Final[Service[PairOpinions | None]] = Service(
    "opinions", (OpinionOptions, Pace), "ocr_pipeline.teacher.services:open_opinions", (LEDGER,)
)
