"""The default encoder reads whole statements, keeps vectors, and refuses what it cannot vouch for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.errors import ModelError
from ocr_pipeline.similarity import Encoder, load_encoder
from ocr_pipeline.similarity import encoder as encoder_module
from ocr_pipeline.similarity.cache import CachedEncoder
from ocr_pipeline.similarity.encoder import PreciseEncoder
from tests.similarity.stub import WordEncoder


@pytest.fixture(scope="module")
def default() -> Encoder:
    """Load the embedded model once."""
    return load_encoder()


def test_a_difference_after_the_cut_is_seen(default: Encoder) -> None:
    """Two statements that differ only after 256 word pieces have two vectors."""
    start = "count the ways to pave the road " * 40
    one, other = default.encode([f"{start} with at most 100 stones", f"{start} and return the answer for every query"])
    assert float(one @ other) < 0.9999


def test_rows_have_unit_length_and_equal_texts_equal_rows(default: Encoder) -> None:
    """The dot product is the cosine, for empty and long texts too."""
    vectors = default.encode(["", "sum of two", "x " * 1_500, "sum of two"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert (vectors[1] == vectors[3]).all()
    assert vectors.dtype == np.float32


def test_batching_moves_only_the_last_bits(default: Encoder) -> None:
    """A text alone and among longer ones has the same vector, up to the noise that scores allow for."""
    texts = ["sum of two numbers", "the longest path in a tree " * 12, "sort it"]
    together = default.encode(texts)
    alone = np.concatenate([default.encode([text]) for text in texts])
    assert np.abs(together @ together.T - alone @ alone.T).max() < 5e-7


def test_an_engine_gives_the_vectors_of_this_process(default: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the texts, in both precisions, and none for none."""
    monkeypatch.setattr(encoder_module, "TEXTS_PER_TASK", 2)
    spread = load_encoder(engine=LocalEngine())
    texts = [f"Print the sum of {number} numbers." for number in range(5)]
    assert spread.name == default.name
    assert isinstance(spread, PreciseEncoder)
    assert isinstance(default, PreciseEncoder)
    assert np.abs(spread.encode(texts) - default.encode(texts)).max() < 1e-6
    assert np.abs(spread.encode_precisely(texts) - default.encode_precisely(texts)).max() < 1e-12
    assert spread.encode([]).shape == default.encode([]).shape


def test_weights_that_are_not_the_official_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SHA-256 of the weights is checked at load, and the message says what to do."""
    monkeypatch.setattr(encoder_module, "DEFAULT_WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"not the official all-MiniLM-L6-v2: SHA-256 53aa.*install") as caught:
        load_encoder()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", ["/no/such/folder", "not an id!"])
def test_a_model_that_cannot_be_loaded_is_named(model: str) -> None:
    """One line with the name, at once."""
    with pytest.raises(ModelError, match=model) as caught:
        load_encoder(model)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    """A folder that is no model gives one line with its name."""
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match=tmp_path.name):
        load_encoder(str(tmp_path))


def test_a_second_run_encodes_only_what_is_new(tmp_path: Path) -> None:
    """Vectors are found again by content; the rows keep their places."""
    first, second = WordEncoder(), WordEncoder()
    before = CachedEncoder(first, tmp_path).encode(["a b", "c d", "a b"])
    after = CachedEncoder(second, tmp_path).encode(["e f", "c d", "a b"])
    assert first.asked == ["a b", "c d"]
    assert second.asked == ["e f"]
    assert (after[1:] == before[[1, 0]]).all()


def test_precise_vectors_are_remembered_apart_from_the_others(tmp_path: Path) -> None:
    """What was settled in float64 once is not computed again, and no float32 vector is taken for it."""
    words = PreciseWords()
    CachedEncoder(words, tmp_path).encode(["a b", "c d"])
    first = CachedEncoder(words, tmp_path).encode_precisely(["a b"])
    again = CachedEncoder(words, tmp_path).encode_precisely(["e f", "a b"])
    assert words.settled == ["a b", "e f"]
    assert again.dtype == np.float64
    assert (again[1] == first[0]).all()
    assert (again[1] == WordEncoder().encode_precisely(["a b"])[0]).all()


class PreciseWords(WordEncoder):
    """Counts what it was asked to compute in float64, and errs in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.settled: list[str] = []

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return rows that are a little off."""
        return (super().encode_precisely(texts) + 1e-3).astype(np.float32)

    def encode_precisely(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return unit rows."""
        self.settled += texts
        return super().encode_precisely(texts)


def test_another_model_shares_no_vectors(tmp_path: Path) -> None:
    """The cache is keyed by model too."""
    first, second = WordEncoder(), WordEncoder()
    second.name = "other words"
    CachedEncoder(first, tmp_path).encode(["a b"])
    CachedEncoder(second, tmp_path).encode(["a b"])
    assert second.asked == ["a b"]


def test_a_damaged_segment_is_encoded_again(tmp_path: Path) -> None:
    """A torn file in the cache costs time, not correctness."""
    CachedEncoder(WordEncoder(), tmp_path).encode(["a b"])
    (segment,) = tmp_path.rglob("*.parquet")
    segment.write_bytes(b"torn")
    again = WordEncoder()
    vectors = CachedEncoder(again, tmp_path).encode(["a b"])
    assert again.asked == ["a b"]
    assert np.linalg.norm(vectors[0]) == pytest.approx(1)
