"""What is decided about a problem and a benchmark's problem, and by which tier.

Tiers: people's reviews, one normal form, origin and dates, rules, a model's opinion. What is left is undecided: a benchmark is
protected, so by default such a problem is dropped; the option ``undecided`` keeps it. The rules differ from those between
training problems in what they are after: a harder version of a benchmark's problem, or one with other bounds, still gives its
solution away and is contaminated; another question about the same input is not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import product
from typing import Final

from ocr_pipeline.similarity import ReviewDecision
from ocr_pipeline.similarity.profile import Evidence, Profile, Sign, Undecided

__all__ = ["ContaminationDecision", "Rule", "Tier", "Undecided", "Verdict", "decide", "settle"]

NEARLY_SAME_TEXT: Final = 0.8
OTHER_TEXT: Final = 0.65
FEWEST_BITS: Final = 4
DAYS_APART: Final = 31
"""Of 111 problems in two data sets the dates were 1 to 15 days apart: one of them estimates."""
DAYS_OF_A_YEAR: Final = 366


class ContaminationDecision(StrEnum):
    """What a pair of a problem and a benchmark's problem is."""

    CONTAMINATED = "contaminated"
    CLEAN = "clean"
    UNDECIDED = "undecided"


class Tier(StrEnum):
    """What decided."""

    EXACT = "exact"
    ORIGIN = "origin"
    RULE = "rule"
    THRESHOLD = "threshold"
    OPINION = "opinion"
    REVIEW = "review"


class Rule(StrEnum):
    """The rules, in the order in which they are tried; the tier of the first five is ``origin``, but for the copied span."""

    SAME_ORIGIN = "same_origin"
    COPIED_SPAN = "copied_span"
    OTHER_ORIGIN = "other_origin"
    OTHER_DATE = "other_date"
    OTHER_SITE = "other_site"
    OTHER_ANSWERS = "other_answers"
    OPPOSITE_QUESTION = "opposite_question"
    SAME_EXAMPLES = "same_examples"
    OTHER_EXAMPLES = "other_examples"
    OTHER_FACTS = "other_facts"


ORIGIN_RULES: Final = frozenset({Rule.SAME_ORIGIN, Rule.OTHER_ORIGIN, Rule.OTHER_DATE, Rule.OTHER_SITE})
SAME_RULES: Final = frozenset({Rule.SAME_ORIGIN, Rule.COPIED_SPAN, Rule.SAME_EXAMPLES})


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, who took it (nobody, of an undecided pair), and the rule if one did."""

    decision: ContaminationDecision
    decided_by: Tier | None
    rule: Rule | None = None


def decide(
    evidence: Evidence,
    left: Profile,
    right: Profile,
    *,
    exact: bool,
    near: bool,
    copied: bool,
    review: ReviewDecision | None,
) -> Verdict:
    """Decide a pair from evidence alone; what is neither near, copied, reviewed nor of one origin is clean."""
    if review is not None:
        return _verdict(Tier.REVIEW, contaminated=review is ReviewDecision.DUPLICATE)
    if exact:
        return _verdict(Tier.EXACT, contaminated=True)
    if not (near or copied or Sign.SAME_ORIGIN in evidence.signs):
        return _verdict(Tier.THRESHOLD, contaminated=False)
    rule = _first_rule(evidence, copied=copied, other_date=_other_date(left.dates, right.dates))
    if rule is None:
        return Verdict(ContaminationDecision.UNDECIDED, None)
    return _verdict(Tier.ORIGIN if rule in ORIGIN_RULES else Tier.RULE, contaminated=rule in SAME_RULES, rule=rule)


def settle(verdict: Verdict, undecided: Undecided) -> Verdict:
    """Apply the policy to a suspect that nothing decided."""
    if verdict.decision is ContaminationDecision.UNDECIDED and undecided is Undecided.DROP:
        return _verdict(Tier.THRESHOLD, contaminated=True)
    return verdict


def _verdict(tier: Tier, *, contaminated: bool, rule: Rule | None = None) -> Verdict:
    return Verdict(ContaminationDecision.CONTAMINATED if contaminated else ContaminationDecision.CLEAN, tier, rule)


def _first_rule(evidence: Evidence, *, copied: bool, other_date: bool) -> Rule | None:
    signs, lexical, cases = evidence.signs, evidence.lexical, evidence.cases
    other_text = lexical < OTHER_TEXT and not cases.agreeing  # one judge's problem is retold on another
    applies = {
        Rule.SAME_ORIGIN: Sign.SAME_ORIGIN in signs,
        Rule.COPIED_SPAN: copied
        and Sign.OTHER_ANSWERS not in signs
        and not (Sign.OTHER_EXAMPLES in signs and other_text),
        Rule.OTHER_ORIGIN: Sign.OTHER_ORIGIN in signs and lexical < NEARLY_SAME_TEXT,
        Rule.OTHER_DATE: other_date and other_text,
        Rule.OTHER_SITE: Sign.OTHER_SITE in signs and other_text,
        Rule.OTHER_ANSWERS: Sign.OTHER_ANSWERS in signs,
        Rule.OPPOSITE_QUESTION: Sign.OPPOSITE_QUESTION in signs and lexical >= NEARLY_SAME_TEXT,
        Rule.SAME_EXAMPLES: cases.agreeing > 0 and cases.bits >= FEWEST_BITS,
        Rule.OTHER_EXAMPLES: Sign.OTHER_EXAMPLES in signs and other_text,  # a harder version has other examples, too
        Rule.OTHER_FACTS: {Sign.OTHER_BOUNDS, Sign.OTHER_INPUT_FORM} <= signs and other_text,
    }
    return next((rule for rule in Rule if applies[rule]), None)


def _other_date(left: Collection[date], right: Collection[date]) -> bool:
    """Say whether all days are too far apart; the first of January is often all that is known of a year."""
    if not (left and right):
        return False
    return all(
        abs((one - other).days)
        > (DAYS_OF_A_YEAR if (1, 1) in {(one.month, one.day), (other.month, other.day)} else DAYS_APART)
        for one, other in product(left, right)
    )
