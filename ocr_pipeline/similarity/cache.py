"""Vectors kept on disk by content and model, so that a second run encodes only what is new.

One folder per model, and in it one for vectors in float64; in each immutable Parquet segments of (key, vector), written
under a temporary name and renamed, so that several processes may share the cache and a killed one leaves nothing broken.
What a vector means is the encoder's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ocr_pipeline.errors import StoreError
from ocr_pipeline.store import atomic_write

__all__ = ["CachedEncoder"]

Vectors: TypeAlias = "npt.NDArray[np.float32] | npt.NDArray[np.float64]"
Scalar = TypeVar("Scalar", np.float32, np.float64)

TEXTS_PER_SEGMENT: Final = 4_096  # what a killed run has to encode again, at most
PRECISE: Final = "float64"


class _Encoder(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]: ...

    def encode_precisely(self, texts: Sequence[str]) -> npt.NDArray[np.float64]: ...


class CachedEncoder:
    """An encoder that remembers."""

    def __init__(self, encoder: _Encoder, folder: Path) -> None:
        self._encoder = encoder
        self._folder = folder / hashlib.sha256(encoder.name.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """The name of the model behind."""
        return self._encoder.name

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return one unit row per text; only texts that no segment holds are encoded."""
        return self._remembered(texts, self._encoder.encode, self._folder, np.float32)

    def encode_precisely(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return one unit row per text, float64; kept beside the others, for it is the dearer one."""
        return self._remembered(texts, self._encoder.encode_precisely, self._folder / PRECISE, np.float64)

    def _remembered(
        self, texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors], folder: Path, kind: type[Scalar]
    ) -> npt.NDArray[Scalar]:
        vectors = np.zeros((len(texts), self._encoder.dimension), kind)
        places: dict[bytes, list[int]] = {}
        for place, text in enumerate(texts):
            places.setdefault(_key(text), []).append(place)
        for key, vector in _stored(folder, places.keys(), vectors.shape[1]):
            vectors[places.pop(key)] = vector
        missing = list(places.items())
        for start in range(0, len(missing), TEXTS_PER_SEGMENT):
            segment = missing[start : start + TEXTS_PER_SEGMENT]
            fresh = encode([texts[where[0]] for _, where in segment])
            _store(folder, [key for key, _ in segment], fresh)
            for (_, where), vector in zip(segment, fresh, strict=True):
                vectors[where] = vector
        return vectors


def _stored(folder: Path, wanted: Collection[bytes], dimension: int) -> Iterator[tuple[bytes, Vectors]]:
    found: set[bytes] = set()
    for path in sorted(folder.glob("*.parquet")):
        keys, vectors = _read(path, dimension)
        for row, key in enumerate(keys):
            if key in wanted and key not in found:
                found.add(key)
                yield key, vectors[row]


def _store(folder: Path, keys: Sequence[bytes], vectors: Vectors) -> None:
    values = pa.array(vectors.ravel())
    rows = pa.table(
        {
            "key": pa.array(keys, pa.binary(32)),
            "vector": pa.FixedSizeListArray.from_arrays(values, type=pa.list_(values.type, vectors.shape[1])),
        }
    )
    name = hashlib.sha256(b"".join(keys)).hexdigest()[:32]
    try:
        with atomic_write(folder / f"{name}.parquet") as file:
            pq.write_table(rows, file, compression="none", use_dictionary=False, write_statistics=False)
    except OSError as error:
        message = f"embeddings cannot be kept in `{folder}`: {error}; give a folder that is writable"
        raise StoreError(message) from error


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _read(path: Path, dimension: int) -> tuple[list[bytes], Vectors]:
    """Read a segment; one that is damaged or of another shape counts as empty, and its texts are encoded again."""
    try:
        rows = pq.read_table(path, columns=["key", "vector"]).combine_chunks()
        vectors = rows.column("vector").chunk(0).flatten().to_numpy().reshape(-1, dimension)
    except (OSError, ValueError, IndexError, pa.ArrowInvalid):
        return [], np.zeros((0, dimension), np.float32)
    return rows.column("key").to_pylist(), vectors
