"""What is read out of a critique: the last marked judgement, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.answers.judgement import Judgement, read_judgement

WORDS = {"right": Judgement.RIGHT, "wrong": Judgement.WRONG, "correct": Judgement.RIGHT, "incorrect": Judgement.WRONG}
FORMS = (
    "Judgement: {}",
    "**Judgement:** {}.",
    "**Judgement: {}**",
    "### Final judgment\n\n{}",
    "<judgement>{}</judgement>",
    "<judgment>\n{}\n</judgment>",
    "Verdict: the program is {}.",
    "The verdict is {}",
    "Judgement: `{}` (I am quite sure)",
    "Judgement \u2014 {}",
    "\\boxed{{\\text{{{}}}}}",
    "> Judgement: {}\r\n",
    "**{}**",
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=60)


@given(st.sampled_from(FORMS), st.sampled_from(sorted(WORDS)), st.sampled_from([str.lower, str.upper, str.title]), TEXT)
def test_every_usual_form_is_read(form: str, word: str, case: type[str], before: str) -> None:
    """Markup, letter case and what stands before make no difference."""
    answer = f"<think>hm</think>{before}\n\n{form.format(case(word))}"
    assert read_judgement(answer) is WORDS[word]


@given(st.sampled_from(FORMS[:-1]), st.sampled_from(FORMS[:-1]), TEXT)
def test_the_last_judgement_counts(first: str, last: str, between: str) -> None:
    """A critic may change its mind while it writes."""
    answer = f"{first.format('right')}\n\nBut then {between} it fails.\n\n{last.format('wrong')}"
    assert read_judgement(answer) is Judgement.WRONG


@given(TEXT)
def test_what_was_only_thought_does_not_count(text: str) -> None:
    """A judgement in the reasoning is not one that was given."""
    assert read_judgement(f"<think>{text}\nJudgement: right\n</think>I cannot tell.") is Judgement.NONE


@given(st.text())
def test_any_text_has_a_judgement_or_none(answer: str) -> None:
    """Nothing that a critic writes breaks the reader."""
    assert read_judgement(answer) in Judgement


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "It looks right to me",
        "Judgement: right or wrong",
        "Judgement: right / wrong",
        "Judgement: right\nJudgement: wrong",
        "<judgement>right or wrong</judgement>",
        "Judgement: partially correct",
        "Judgement: right for small inputs only",
        "Judgement: rightly so",
        "The program is wrong.",
    ],
)
def test_what_is_not_clear_is_not_read(answer: str) -> None:
    """The choice that was offered, half a judgement, or a sentence in passing."""
    assert read_judgement(answer) is Judgement.NONE


def test_a_negation_is_read() -> None:
    """Not correct is wrong."""
    assert read_judgement("Verdict: this solution is not correct.") is Judgement.WRONG
