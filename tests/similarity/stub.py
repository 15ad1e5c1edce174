"""What tests of likeness share: an encoder of words, so that it can be read off the texts, problems, a model's recorded opinions."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

DIMENSION = 96


class WordEncoder:
    """Cosine is the share of common words; counts what it was asked."""

    name = "words"
    dimension = DIMENSION

    def __init__(self, noise: float = 0.0, seed: int = 0) -> None:
        self.asked: list[str] = []
        self._noise = noise
        self._random = np.random.default_rng(seed)

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit rows, disturbed as rounding would."""
        self.asked += texts
        exact = self.encode_precisely(texts)
        return (exact + self._random.uniform(-self._noise, self._noise, exact.shape)).astype(np.float32)

    def encode_precisely(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return unit rows."""
        rows = np.zeros((len(texts), DIMENSION))
        for row, text in zip(rows, texts, strict=True):
            for word in text.split() or ["nothing"]:
                row[int(hashlib.sha256(word.encode()).hexdigest(), 16) % DIMENSION] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def problems(*rows: tuple[str, str], **columns: list[object]) -> list[pa.RecordBatch]:
    """Return problems of (id, statement), with further columns."""
    ids, statements = zip(*rows, strict=True) if rows else ((), ())
    data = {"problem_id": pa.array(ids, pa.string()), "statement": pa.array(statements, pa.large_string())}
    return pa.table(data | {name: pa.array(values) for name, values in columns.items()}).to_batches()


def opinion(first: str, answer: str) -> dict[str, Any]:
    """Return a recording of what the model says when this statement comes first."""
    return {
        "match": [f"<first_problem>\n{first}\n</first_problem>"],
        "sample_index": 0,
        "message": {"role": "assistant", "content": answer},
        "finish_reason": "stop",
        "stop_reason": None,
        "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
        "created": 1_767_225_600,
        "processing_ms": 1,
    }
