"""Which programs tests are measured with."""

from __future__ import annotations

from ocr_pipeline.options import Options, option


class QualityConfig(Options):
    """Which programs the tests are measured with."""

    right_programs: int | None = option(
        20, "Right programs of each problem that are run, chosen by a hash of their text; none: all", ge=0
    )
    wrong_programs: int | None = option(
        50, "Wrong programs of each problem that are run, chosen by a hash of their text; none: all", ge=0
    )
    mutants: int = option(12, "Mutants of each problem's right programs that are run at most; 0: none", ge=0)
    mutated_programs: int = option(
        2,
        "Right programs of each problem that mutants are made of: Python first, which starts at once, then the shortest",
        ge=1,
    )
    enough_wrong_programs: int | None = option(
        10, "So many known wrong programs say more than mutants: no mutants are made; none: always", ge=0
    )
    mutation_seed: int = option(0, "Which mutants are made")
    sampled_programs: int = option(
        0,
        "Samples of the teacher of each problem that are run: one that fails a test is wrong for the tests that are not of its policy",
        ge=0,
    )
