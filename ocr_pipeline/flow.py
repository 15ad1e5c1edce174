"""The whole flow: every step, in the order in which rows go through it, and every command that runs some of them.

Assets, commands, checks of the layout and the reference are made from this list; a new step is added here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ocr_pipeline.contamination.steps import CHECK, KEEP_CLEAN
from ocr_pipeline.critiques.steps import CRITICIZE
from ocr_pipeline.duplicates.steps import COMPARE, KEEP_ONE
from ocr_pipeline.evidence.steps import FIND_PATTERNS, LABEL_PATTERNS
from ocr_pipeline.exports.steps import MEASURE_DIFFICULTY
from ocr_pipeline.generating.steps import GENERATE_TESTS
from ocr_pipeline.judge.steps import CHECK_TESTS, JUDGE
from ocr_pipeline.plans.steps import MAKE_PLANS, MIX
from ocr_pipeline.quality.steps import MEASURE_TESTS
from ocr_pipeline.samples.steps import SELECT, SEPARATE
from ocr_pipeline.sources.steps import INGEST
from ocr_pipeline.steps import Step
from ocr_pipeline.synthesis.steps import SYNTHESIZE
from ocr_pipeline.tables import Table
from ocr_pipeline.teacher.steps import GENERATE

__all__ = ["COMMANDS", "FLOW", "Command"]

FLOW: Final = (
    INGEST,
    COMPARE,
    KEEP_ONE,
    CHECK,
    KEEP_CLEAN,
    GENERATE,
    SEPARATE,
    CHECK_TESTS,
    GENERATE_TESTS,
    MEASURE_TESTS,
    JUDGE,
    FIND_PATTERNS,
    LABEL_PATTERNS,
    MEASURE_DIFFICULTY,
    CRITICIZE,
    SELECT,
    MAKE_PLANS,
    MIX,
    SYNTHESIZE,
)


@dataclass(frozen=True, slots=True)
class Shorthand:
    """A flag that gives an option one value."""

    flag: str
    option: str
    value: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command that runs steps on files; what one step writes, a later one reads."""

    name: str
    summary: str
    steps: tuple[Step, ...]
    first: Table | None = None
    """The table that is given by position; others have options of their names."""
    accounts: tuple[Step, ...] = ()
    """Steps whose accounts are printed by name; without any, the last one's is printed."""
    shorthands: tuple[Shorthand, ...] = ()


COMMANDS: Final = (
    Command(
        "ingest", "Bring raw files of a data set into normal form; rows that cannot be used get a reason.", (INGEST,)
    ),
    Command(
        "dedup",
        "Remove the same problem told twice, and keep look-alikes that are different problems.",
        (COMPARE, KEEP_ONE),
        COMPARE.reads[0].table,
    ),
    Command(
        "decontaminate",
        "Find the problems that a benchmark holds, and keep the others.",
        (CHECK, KEEP_CLEAN),
        CHECK.reads[0].table,
    ),
    Command(
        "generate",
        "Ask a teacher for solutions; run the same command again to go on where it stopped.",
        (GENERATE,),
        GENERATE.reads[0].table,
    ),
    Command(
        "separate",
        "Tell reasoning, answer and code of every response apart and give each its verdict.",
        (SEPARATE,),
        SEPARATE.reads[0].table,
    ),
    Command(
        "judge",
        "Run samples against the tests of their problems in a sandbox and give each its verdict and pass rate.",
        (CHECK_TESTS, JUDGE),
        shorthands=(Shorthand("unsandboxed", "tiers", "unsandboxed"),),
    ),
    Command(
        "generate-tests",
        "Make tests that catch wrong programs: inputs within the bounds, outputs that right programs agree on.",
        (GENERATE_TESTS,),
    ),
    Command(
        "test-quality",
        "Measure how many right programs the tests of each problem refuse, and how many wrong ones they let through.",
        (MEASURE_TESTS,),
    ),
    Command(
        "synthesize",
        "Let the teacher invent problems from known ones; those whose solutions agree and that are new are kept.",
        (SYNTHESIZE,),
        SYNTHESIZE.reads[0].table,
    ),
    Command(
        "difficulty",
        "Measure how hard each problem is for each model, from what the tests said of its attempts.",
        (MEASURE_DIFFICULTY,),
        MEASURE_DIFFICULTY.reads[0].table,
    ),
    Command(
        "critique",
        "Ask a critic whether judged programs are right, and why they fail; run the same command again to go on.",
        (CRITICIZE,),
        CRITICIZE.reads[0].table,
    ),
    Command("patterns", "Count the moves that each reasoning makes.", (FIND_PATTERNS,), FIND_PATTERNS.reads[0].table),
    Command(
        "label-patterns",
        "Let a model label the sentences of some reasonings, twice, and hold the rules against it.",
        (LABEL_PATTERNS,),
        LABEL_PATTERNS.reads[0].table,
    ),
    Command(
        "select",
        "Select from separated and judged samples what downstream trains on; nothing is asked or judged again.",
        (SELECT,),
        SELECT.reads[0].table,
    ),
    Command(
        "plan",
        "Let the teacher explain correct solutions as plans, and build the two-task training rows.",
        (MAKE_PLANS, MIX),
        MAKE_PLANS.reads[0].table,
        (MAKE_PLANS, MIX),
    ),
)
