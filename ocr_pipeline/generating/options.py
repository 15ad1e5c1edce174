"""How tests are made: how many inputs, how many mutants, how much may be kept."""

from __future__ import annotations

from typing import Any

from ocr_pipeline.judge.verdicts import JudgeConfig
from ocr_pipeline.options import option

__all__ = ["GeneratingConfig"]


class GeneratingConfig(JudgeConfig):
    """How tests are made for one problem."""

    inputs_per_way: int = option(30, "Inputs of each way (small, by chance, mutated, extreme) in the first round", ge=1)
    rounds: int = option(3, "Rounds in which what wrong programs survive is made anew", ge=1, le=3)
    mutants: int = option(24, "Mutants of right programs, which stand for wrong ones", ge=0)
    wrong_programs: int = option(24, "Wrong programs of the source that are run", ge=0)
    right_programs: int = option(4, "Right programs of different text that must agree on an output; at least two", ge=2)
    catches_per_program: int = option(
        2, "Tests, the cheapest first, that are kept for each wrong program or mutant", ge=1
    )
    largest: int = option(6, "Largest inputs that are kept whatever they catch: they tell slow programs", ge=0)
    varied: int = option(
        80, "Tests kept for variety: right programs answer them differently, whatever they catch", ge=0
    )
    most_tests: int = option(120, "Most tests that are kept of a problem", ge=1)
    max_test_kib: float = option(256.0, "Largest input", unit="KiB", gt=0)
    max_problem_kib: float = option(2048.0, "Most bytes of all tests of a problem", unit="KiB", gt=0)
    budget_runs: int = option(60_000, "Runs of programs for one problem, after which no further round begins", ge=1)
    by_model: bool = option(False, "Ask the teacher for validators, generators and checkers, too")
    inputs_per_seed: int = option(8, "Inputs of each way of a generator that the teacher wrote", ge=1)
    temperature: float = option(0.2, "Sampling temperature of the teacher's programs", ge=0)
    max_tokens: int = option(8_192, "Longest answer of the teacher, reasoning included", unit="tokens", ge=1)

    @property
    def settings(self) -> dict[str, Any]:
        """What affects the tests: the options, and the hash of every prompt that is used."""
        from ocr_pipeline.generating.by_model import prompt_hashes

        return super().settings | ({"prompt_sha256": prompt_hashes()} if self.by_model else {})
