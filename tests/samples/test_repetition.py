"""Loops at the end of a text and repeated 20-word sequences are measured exactly."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.samples.repetition import cycle_at_end, repeated_share

WORDS = st.lists(
    st.sampled_from(["a", "be", "sea", "tree", "wait,", "therefore", "世界", "1234567", "é"]), max_size=200
)


def prose(seed: int, words: int) -> str:
    """Return words that do not repeat."""
    return " ".join(f"w{number}" for number in random.Random(seed).sample(range(100_000), words))  # noqa: S311 - a test


def share_by_counting(text: str) -> float:
    """Count 20-word sequences the slow way."""
    words = text.split(" ")
    grams = Counter(tuple(words[start : start + 20]) for start in range(len(words) - 19))
    return sum(count for count in grams.values() if count > 1) / max(grams.total(), 1)


class TestCycle:
    """The cycle that a text ends in."""

    @pytest.mark.parametrize("period", [1, 7, 40, 840, 1_000])
    def test_period_in_words(self, period: int) -> None:
        """A sequence repeated to the end is found with its length in words."""
        cycle = prose(1, period) + " "
        copies = max(6, 100 // period)
        assert cycle_at_end((prose(2, 50) + " " + cycle * copies).encode()) == period

    def test_cut_in_the_middle(self) -> None:
        """The length limit cuts the last copy anywhere, and the loop is still seen."""
        text = (prose(1, 30) + " ") * 8
        assert {cycle_at_end(text[:-cut].encode()) for cut in range(1, 60)} == {30}

    def test_enumeration_is_no_loop(self) -> None:
        """Checking case after case in the same words is thinking, not looping."""
        text = "".join(f"Let me check n = {number}, which gives {number * 3}. " for number in range(400))
        assert cycle_at_end(text.encode()) is None

    @pytest.mark.parametrize("copies", [1, 2, 3])
    def test_few_copies_are_no_loop(self, copies: int) -> None:
        """A paragraph said up to three times is not a loop yet."""
        assert cycle_at_end(((prose(3, 200) + "\n") * copies).encode()) is None

    def test_short_ends_are_no_loop(self) -> None:
        """A ruler, dots or a row of zeros at the end is too short to be one."""
        for end in ("-" * 80, "." * 100, "0 " * 40, "| --- | --- | --- |"):
            assert cycle_at_end((prose(4, 100) + "\n" + end).encode()) is None

    def test_without_spaces(self) -> None:
        """Digits and scripts without spaces loop too; such a cycle counts as one word."""
        assert cycle_at_end(("3." + "142857" * 200).encode()) == 1
        assert cycle_at_end(("但是" * 300).encode()) == 1
        assert cycle_at_end(b"\x1b" * 600) == 1

    @given(st.binary(max_size=300))
    def test_any_bytes(self, text: bytes) -> None:
        """No text fails."""
        assert cycle_at_end(text) is None or len(text) >= 64

    @given(st.text(min_size=1, max_size=40).filter(str.strip), st.integers(600, 900))
    def test_every_long_repetition_is_found(self, piece: str, copies: int) -> None:
        """Whatever is repeated hundreds of times is a loop."""
        assert cycle_at_end((piece * copies).encode()) is not None


class TestShare:
    """The share of repeated 20-word sequences."""

    @given(WORDS, st.integers(1, 4))
    def test_equals_counting(self, words: list[str], copies: int) -> None:
        """It is what counting all sequences gives."""
        text = " ".join(words * copies)
        assert repeated_share(text.encode()) == pytest.approx(share_by_counting(text))

    def test_nothing_repeats(self) -> None:
        """Distinct words give zero."""
        assert repeated_share(prose(5, 5_000).encode()) == 0.0

    def test_everything_repeats(self) -> None:
        """A text said twice gives nearly one: only the seam is new."""
        assert repeated_share(((prose(6, 2_000) + "\n") * 2).encode()) == pytest.approx(1, abs=0.02)

    def test_white_space_does_not_matter(self) -> None:
        """The same words count as the same however they are spaced."""
        words = prose(7, 100)
        text = words + "\n\n" + words.replace(" ", "\n  ")
        assert repeated_share(text.encode()) == repeated_share(f"{words} {words}".encode()) > 0.8
