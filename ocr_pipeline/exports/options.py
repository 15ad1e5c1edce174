"""What an export holds: its form, the rules that rows have to meet, and how rows are drawn."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ocr_pipeline.critiques.options import Kind
from ocr_pipeline.options import Options, option
from ocr_pipeline.samples.options import TextPolicy
from ocr_pipeline.tables import Language

__all__ = ["RL_FORMATS", "ExportOptions", "Format", "PromptForm", "Reviewed", "Unchecked"]

MIB: Final = 1 << 20


class Format(StrEnum):
    """Forms in which trainers and RL stacks read rows."""

    MESSAGES = "messages"
    PROMPT_COMPLETION = "prompt-completion"
    SHAREGPT = "sharegpt"
    OCR = "ocr"
    OCR2 = "ocr2"
    VERL = "verl"
    RLLM = "rllm"
    NEMO_GYM = "nemo-gym"
    PRIME_RL = "prime-rl"


RL_FORMATS: Final = frozenset({Format.VERL, Format.RLLM, Format.NEMO_GYM, Format.PRIME_RL})


class PromptForm(StrEnum):
    """What a student is asked."""

    SHORT = "short"
    """The statement, then the language."""
    TEACHER = "teacher"
    """The words that the teacher was asked with; needs the problems."""
    STATEMENT = "statement"
    """The statement alone."""


class Unchecked(StrEnum):
    """What becomes of problems whose tests no reference solution could be asked about."""

    DROP = "drop"
    KEEP = "keep"


class Reviewed(StrEnum):
    """Which rows are exported, by what a critic said of them."""

    ANY = "any"
    """Whether a critic saw them or not."""
    REVIEWED = "reviewed"
    """Those with a critique."""
    AGREEING = "agreeing"
    """Those with a critique whose judgement is that of the tests."""


class ExportOptions(Options):
    """What is exported; rows that do not meet a rule are counted under its name."""

    text_policy: TextPolicy = option(
        TextPolicy.PLACEHOLDER, "What becomes of statements that may not be handed on: their rows are left out, or full"
    )
    redistributable: tuple[str, ...] | None = option(
        None, "Data set whose statements may be handed on, again for each; none: those whose licences allow it"
    )
    language: Language | None = option(
        None, "Only rows of this language; of RL rows the language that is asked for, where none is python"
    )
    prompt: PromptForm = option(PromptForm.SHORT, "What a student is asked in rows of supervised training")
    reviewed: Reviewed = option(Reviewed.ANY, "Which rows ocr2 holds, by the critiques that are given")
    critique_kind: Kind = option(
        Kind.CRITIQUE, "Which critiques ocr2 holds: whether a program is right, or why it fails a test"
    )
    min_tests: int = option(5, "Fewest trusted tests of a problem in RL rows", unit="tests", ge=1)
    test_bytes: int | None = option(
        MIB, "Most bytes of tests per problem in RL rows: examples first, then diverse sizes", unit="bytes", ge=1
    )
    max_tests: int | None = option(None, "Most tests per problem in RL rows; none: all", unit="tests", ge=1)
    unchecked: Unchecked = option(
        Unchecked.DROP, "What becomes of problems that the given test_trust could not check, in RL rows"
    )
    strict_checkers: bool = option(
        True, "Leave out problems whose right answers the grader of the format may refuse: tolerance, case, order"
    )
    difficulty_model: str | None = option(
        None, "Model by whose attempts difficulty is told; none: those of all models together"
    )
    mix: tuple[str, ...] = option(
        (), "Weight of rows, as language:cpp=2 or cpp=2, again for each; or a JSON file {facet: {value: weight}}"
    )
    rows: int | None = option(None, "Rows to draw; none: the most that the weights allow", unit="rows", ge=1)
    seed: int = option(0, "Which rows are drawn")
