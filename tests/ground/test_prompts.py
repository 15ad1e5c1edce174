"""Prompts are whole files, filled in one pass, and their hashes do not change unnoticed."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.errors import InputError
from ocr_pipeline.prompts import Prompt, prompt_names

GOLDEN = Path(__file__).parents[1] / "golden" / "prompts.json"
"""Package -> prompt -> SHA-256. These are in fingerprints: who changes a prompt changes them here by hand."""
PLACES = {
    "ocr_pipeline.critiques": {"statement", "code", "language", "input", "expected", "got"},
    "ocr_pipeline.evidence": {"moves", "sentences"},
    "ocr_pipeline.teacher": {"statement", "starter_code", "function"},
    "ocr_pipeline.generating": {"statement", "code", "kib", "generator", "funnel", "programs"},
    "ocr_pipeline.plans": {"statement", "code", "plan"},
    "ocr_pipeline.similarity": {"first", "second"},
    "ocr_pipeline.synthesis": {"statement", "code", "other", "other_code"},
    "ocr_pipeline.tasks": {"statement", "starter_code", "format", "plan", "language", "tag", "stub", "code"},
}
texts = st.text(max_size=60) | st.sampled_from(["{{a}}", "{b}", "{", "}}", "{0}", "\\1", "\\g<1>", "%s"])


@given(texts, texts)
def test_values_are_never_looked_at_again(first: str, second: str) -> None:
    """Filling is one pass, so a value that looks like a placeholder stays."""
    assert Prompt("p", "{a}|{{b}}|{a}").fill(a=first, b=second) == f"{first}|{second}|{first}"


@given(texts.filter(lambda text: not Prompt("p", text).places))
def test_braces_that_name_nothing_stay(text: str) -> None:
    """A template without a placeholder is sent as it is."""
    assert Prompt("p", text).fill() == text


def test_a_missing_value_is_named() -> None:
    """With what was given."""
    with pytest.raises(InputError, match="prompt `p` needs b, which is not given; given: a"):
        Prompt("p", "{a} {b}").fill(a="x")


def test_an_unknown_prompt_names_those_that_are_there() -> None:
    """A mistyped name is answered with the right ones."""
    with pytest.raises(InputError, match="there is no prompt `solve_rust`; there are function_cpp"):
        Prompt.load("ocr_pipeline.teacher", "solve_rust")


@pytest.mark.parametrize("package", sorted(PLACES))
def test_every_placeholder_of_every_file_is_filled_by_its_room(package: str) -> None:
    """A file with a mistyped placeholder would fail for every problem."""
    found = {place for name in prompt_names(package) for place in Prompt.load(package, name).places}
    assert found == PLACES[package]


def test_hashes_are_those_of_the_golden_file() -> None:
    """Paid answers and built partitions are found by them."""
    found = {package: {name: Prompt.load(package, name).sha256 for name in prompt_names(package)} for package in PLACES}
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8"))
