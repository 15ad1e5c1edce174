"""What is decided about one pair of problems, and by which tier.

1. review: people who agree override everything;
2. exact: one normal form, unless known answers contradict it, or the text is so short that origins, titles or tests do;
3. origin: published at one place, or one judge knows both under different names and the texts are not nearly the same;
4. rules, in the order of :class:`Rule`, each with its measured precision in ``docs/duplicates.md``;
5. execution: correct solutions of each pass all tests of the other, or only some of them;
6. opinion: a model, asked in both orders, where one is configured;
7. what is left is undecided: both stay, unless the option ``undecided`` says that the threshold decides.

Which of two duplicates stays is decided in :mod:`ocr_pipeline.duplicates.witnesses`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ocr_pipeline.similarity import ReviewDecision
from ocr_pipeline.similarity.profile import DIFFERENCES, Evidence, Sign, Undecided

__all__ = [
    "LEXICAL_BORDERS",
    "DecidedBy",
    "Decision",
    "Rule",
    "Undecided",
    "Verdict",
    "contradicts",
    "decide",
    "settle",
]

NEARLY_SAME_TEXT: Final = 0.8
"""Lexical similarity from which a difference in words is one in meaning; rephrased texts differ in any word."""
OTHER_TEXT: Final = 0.65
"""Of 53 pairs of strangers at or above cosine 0.7 that were read, 52 are below; of 246 true pairs with common examples, 9."""
LEXICAL_BORDERS: Final = (OTHER_TEXT, NEARLY_SAME_TEXT)
"""Between two of them, likeness in words makes no difference to a verdict."""
TELLING_BITS: Final = 12
"""What outputs must tell to decide alone: two small numbers and a word; coincidence is then below one in a thousand."""
FEWEST_BITS: Final = 4
"""What they must tell where the texts are alike: a true or false for each of three inputs is not enough."""
FEWEST_TOKENS: Final = 2
MANY_CASES: Final = 5
MANY_BITS: Final = 60
"""What outweighs a few other words: more than the examples of a statement."""
FEWEST_DIFFERENCES: Final = 2


class Decision(StrEnum):
    """What a pair is."""

    DUPLICATE = "duplicate"
    DISTINCT = "distinct"
    UNDECIDED = "undecided"


class DecidedBy(StrEnum):
    """The tier that decided."""

    EXACT = "exact"
    ORIGIN = "origin"
    RULE = "rule"
    EXECUTION = "execution"
    OPINION = "opinion"
    REVIEW = "review"
    THRESHOLD = "threshold"


class Rule(StrEnum):
    """The rules, in the order in which they are tried; the first two are the tier ``origin``."""

    SAME_ORIGIN = "same_origin"
    OTHER_VERSION = "other_version"
    OTHER_ORIGIN = "other_origin"
    OTHER_ANSWERS = "other_answers"
    OTHER_BOUNDS = "other_bounds"
    SAME_EXAMPLES = "same_examples"
    OTHER_EXAMPLES = "other_examples"
    OTHER_TESTS = "other_tests"
    OPPOSITE_QUESTION = "opposite_question"
    OTHER_FACTS = "other_facts"


ORIGIN_RULES: Final = frozenset({Rule.SAME_ORIGIN, Rule.OTHER_ORIGIN})
SAME_RULES: Final = frozenset({Rule.SAME_ORIGIN, Rule.SAME_EXAMPLES})


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, who took it (nobody, of an undecided pair), and the rule if one did."""

    decision: Decision
    decided_by: DecidedBy | None
    rule: Rule | None = None


UNDECIDED: Final = Verdict(Decision.UNDECIDED, None)
RULES_OF_SHORT_TEXT: Final = frozenset({Rule.OTHER_VERSION, Rule.OTHER_ORIGIN, Rule.OTHER_ANSWERS})
"""What makes equal short texts distinct; what else contradicts them leaves them undecided."""
AGAINST_TEXT: Final = frozenset({Sign.OTHER_ANSWERS})
AGAINST_SHORT_TEXT: Final = AGAINST_TEXT | {Sign.OTHER_ORIGIN, Sign.OTHER_TITLE, Sign.OTHER_TESTS, Sign.OTHER_VERSION}


def decide(evidence: Evidence, *, exact: bool, review: ReviewDecision | None) -> Verdict:
    """Decide a pair that is at or above the threshold, equal, reviewed or of one origin, from evidence alone."""
    if review is not None:
        return Verdict(Decision(review.value), DecidedBy.REVIEW)
    if exact and not contradicts(evidence):
        return Verdict(Decision.DUPLICATE, DecidedBy.EXACT)
    rule = _first_rule(evidence)
    if rule is None or (exact and not (evidence.says_little and rule in RULES_OF_SHORT_TEXT)):
        return UNDECIDED
    decision = Decision.DUPLICATE if rule in SAME_RULES else Decision.DISTINCT
    return Verdict(decision, DecidedBy.ORIGIN if rule in ORIGIN_RULES else DecidedBy.RULE, rule)


def contradicts(evidence: Evidence) -> bool:
    """Say whether what is known beside the text speaks against one problem, though the text is the same."""
    if Sign.SAME_ORIGIN in evidence.signs:
        return False
    against = AGAINST_SHORT_TEXT if evidence.says_little else AGAINST_TEXT
    return not evidence.signs.isdisjoint(against)


def settle(verdict: Verdict, undecided: Undecided) -> Verdict:
    """Apply the policy to a pair that nothing decided."""
    if verdict.decision is Decision.UNDECIDED and undecided is Undecided.DROP:
        return Verdict(Decision.DUPLICATE, DecidedBy.THRESHOLD)
    return verdict


def _first_rule(evidence: Evidence) -> Rule | None:
    signs, lexical = evidence.signs, evidence.lexical
    nearly_same_text = lexical >= NEARLY_SAME_TEXT and not evidence.says_little
    applies = {
        Rule.SAME_ORIGIN: Sign.SAME_ORIGIN in signs,
        Rule.OTHER_VERSION: Sign.OTHER_VERSION in signs,
        Rule.OTHER_ORIGIN: Sign.OTHER_ORIGIN in signs and not nearly_same_text,  # rounds share problems
        Rule.OTHER_ANSWERS: Sign.OTHER_ANSWERS in signs,
        Rule.OTHER_BOUNDS: Sign.OTHER_BOUNDS in signs,
        Rule.SAME_EXAMPLES: Sign.SAME_CASES in signs and _tells(evidence),
        Rule.OTHER_EXAMPLES: Sign.OTHER_EXAMPLES in signs,
        Rule.OTHER_TESTS: Sign.OTHER_TESTS in signs and not nearly_same_text,
        Rule.OPPOSITE_QUESTION: Sign.OPPOSITE_QUESTION in signs and lexical >= NEARLY_SAME_TEXT,
        Rule.OTHER_FACTS: len(signs & DIFFERENCES) >= FEWEST_DIFFERENCES and lexical < OTHER_TEXT,
    }
    return next((rule for rule in Rule if applies[rule]), None)


def _tells(evidence: Evidence) -> bool:
    """Say whether common answers could not be common by chance, nor by being those of two problems of one series.

    In a text of a few words one other word asks something else, so there answers have to tell alone. Where texts differ in a few
    words and nothing else ("in a line", "in a circle"), two or three equal examples do not tell; many tests do.
    """
    cases, signs = evidence.cases, evidence.signs
    if Sign.OTHER_WORDS in signs and (cases.agreeing < MANY_CASES or cases.bits < MANY_BITS):
        return False
    if cases.tokens < FEWEST_TOKENS or Sign.OPPOSITE_QUESTION in signs:
        return False
    alike = evidence.lexical >= OTHER_TEXT and not evidence.says_little
    if cases.bits >= TELLING_BITS:
        return alike or Sign.OTHER_ORIGIN not in signs
    return cases.bits >= FEWEST_BITS and alike and Sign.OTHER_ORIGIN not in signs
