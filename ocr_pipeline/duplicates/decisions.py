"""What is decided about one pair of problems, and by which tier.

1. review: people who agree override everything;
2. exact: one normal form;
3. rules, in the order of :class:`Rule`, each with its measured precision in ``docs/log/duplicates.md``;
4. opinion: a model, asked in both orders, where one is configured;
5. threshold: what is left counts as a duplicate, because it is at or above the threshold.

Which of two duplicates stays is decided in :mod:`ocr_pipeline.duplicates.witnesses`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ocr_pipeline.similarity import ReviewDecision
from ocr_pipeline.similarity.evidence import (
    ExampleComparison,
    Facts,
    bounds_differ,
    compare_examples,
    opposite_asked,
    versions_differ,
)

__all__ = ["DecidedBy", "Decision", "Evidence", "Rule", "Verdict", "decide", "gather_evidence"]

NEARLY_SAME_TEXT: Final = 0.8
"""Lexical similarity from which a difference in words is one in meaning; rephrased texts differ in any word."""


class Decision(StrEnum):
    """What a pair is."""

    DUPLICATE = "duplicate"
    DISTINCT = "distinct"


class DecidedBy(StrEnum):
    """The tier that decided."""

    EXACT = "exact"
    RULE = "rule"
    THRESHOLD = "threshold"
    OPINION = "opinion"
    REVIEW = "review"


class Rule(StrEnum):
    """The rules, in the order in which they are tried."""

    OTHER_VERSION = "other_version"
    OTHER_ANSWERS = "other_answers"
    OTHER_BOUNDS = "other_bounds"
    SAME_EXAMPLES = "same_examples"
    OTHER_EXAMPLES = "other_examples"
    OPPOSITE_QUESTION = "opposite_question"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for and against a pair."""

    cosine: float
    lexical: float
    examples: ExampleComparison
    other_version: bool
    other_bounds: bool
    opposite_question: bool

    @property
    def tests_equal(self) -> bool | None:
        """Whether the example tests agree; ``None`` when they cannot be compared."""
        if self.examples.shared or self.examples.conflicting:
            return self.examples.conflicting == 0
        return False if self.examples.comparable else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, who took it, and the rule if one did."""

    decision: Decision
    decided_by: DecidedBy
    rule: Rule | None = None


def gather_evidence(left: Facts, right: Facts, *, cosine: float, lexical: float) -> Evidence:
    """Compare what two statements say."""
    return Evidence(
        cosine=cosine,
        lexical=lexical,
        examples=compare_examples(left, right),
        other_version=versions_differ(left, right),
        other_bounds=bounds_differ(left, right),
        opposite_question=opposite_asked(left, right),
    )


def decide(evidence: Evidence, *, exact: bool, review: ReviewDecision | None, opinion: bool | None = None) -> Verdict:
    """Decide a pair that is at or above the threshold, or equal, or reviewed."""
    if review is not None:
        return Verdict(Decision(review.value), DecidedBy.REVIEW)
    if exact:
        return Verdict(Decision.DUPLICATE, DecidedBy.EXACT)
    rule = first_rule(evidence)
    if rule is not None:
        decision = Decision.DUPLICATE if rule is Rule.SAME_EXAMPLES else Decision.DISTINCT
        return Verdict(decision, DecidedBy.RULE, rule)
    if opinion is not None:
        return Verdict(Decision.DUPLICATE if opinion else Decision.DISTINCT, DecidedBy.OPINION)
    return Verdict(Decision.DUPLICATE, DecidedBy.THRESHOLD)


def first_rule(evidence: Evidence) -> Rule | None:
    """Return the first rule that applies."""
    examples = evidence.examples
    nearly_same_text = evidence.lexical >= NEARLY_SAME_TEXT
    applies = {
        Rule.OTHER_VERSION: evidence.other_version,
        Rule.OTHER_ANSWERS: examples.conflicting > 0,
        Rule.OTHER_BOUNDS: evidence.other_bounds and (examples.shared > 0 or nearly_same_text),
        Rule.SAME_EXAMPLES: examples.shared > 0,
        Rule.OTHER_EXAMPLES: examples.comparable,
        Rule.OPPOSITE_QUESTION: evidence.opposite_question and nearly_same_text,
    }
    return next((rule for rule in Rule if applies[rule]), None)
