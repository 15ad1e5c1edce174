"""What the teacher is asked: the language, the form of the answer, and the statement last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.tables import Language
from ocr_pipeline.teacher.prompts import prompt_hashes, solve_prompt

texts = st.text(max_size=60) | st.sampled_from(
    ["{{statement}}", "{{function}}", "{", "}}", "{0}", "\\1", "{question}", "%s"]
)


@given(statement=texts, starter=texts, language=st.sampled_from(list(Language)))
def test_statement_and_starter_code_stand_in_the_prompt_verbatim(
    statement: str, starter: str, language: Language
) -> None:
    """Whatever they hold: braces, placeholders, back-references."""
    assert solve_prompt(statement, language).endswith(statement + "\n")
    prompt = solve_prompt(statement, language, io_mode="function", starter_code=starter or "def f(): ...")
    assert (starter or "def f(): ...") in prompt
    assert prompt.endswith(statement + "\n")


@pytest.mark.parametrize(("language", "word", "other"), [("python", "Python", "C++"), ("cpp", "C++", "Python")])
def test_the_prompt_names_its_language_and_no_other(language: str, word: str, other: str) -> None:
    """Also in the form that asks for a function."""
    for io_mode in ("stdin", "function"):
        prompt = solve_prompt("s", Language(language), io_mode=io_mode, starter_code="s")
        assert word in prompt
        assert other not in prompt
        assert f"```{language}" in prompt


def test_call_based_problems_are_asked_for_a_function() -> None:
    """The name to call and the starter code are in the prompt, and nothing about standard input to read."""
    prompt = solve_prompt(
        "s", Language.PYTHON, io_mode="function", starter_code="def two_sum(a):", function_name="two_sum"
    )
    assert "named `two_sum`" in prompt
    assert "def two_sum(a):" in prompt
    assert "reads everything from standard input" not in prompt


def test_starter_code_of_a_program_that_reads_input_is_no_function() -> None:
    """Only the mode decides, where it is known."""
    assert "reads everything from standard input" in solve_prompt(
        "s", Language.PYTHON, io_mode="stdin", starter_code="x = 1"
    )


def test_the_statement_comes_last() -> None:
    """The instruction is a common prefix of all prompts of a language: servers keep its state."""
    first, second = (solve_prompt(text, Language.CPP) for text in ("one", "two"))
    assert first[: -len("one\n")] == second[: -len("two\n")]


def test_prompts_are_hashed_for_the_manifest() -> None:
    """One hash per file of the language."""
    assert set(prompt_hashes("cpp")) == {"solve_cpp", "function_cpp"}
