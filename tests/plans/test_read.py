"""Plans are read from responses, and what is wrong with them is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.plans import PlanVerdict, agreement, plan_defects, read_plan

CODE = "count = int(input())\nvalues = sorted(map(int, input().split()))\nfor value in values:\n    print(value)\n"
GOOD = "1. Read the numbers.\n2. Sort them in ascending order.\n3. Print each of them."


def defects(text: str, **limits: int) -> list[PlanVerdict]:
    """Return what is wrong with a plan for ``CODE``."""
    limits = {"min_steps": 2, "max_steps": 10, "max_characters": 400} | limits
    return plan_defects(read_plan(text), code=CODE, **limits)


def test_a_good_plan_has_no_defect() -> None:
    """Numbered English steps without code pass."""
    assert defects(GOOD) == []


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("  \n", PlanVerdict.EMPTY),
        ("Read the numbers, then sort them and print each.", PlanVerdict.NOT_NUMBERED),
        ("1. Read the numbers.\n3. Print each of them.", PlanVerdict.MISNUMBERED),
        ("1. Read the numbers and print them.", PlanVerdict.TOO_FEW_STEPS),
        ("\n".join(f"{i}. Print the next one of them." for i in range(1, 12)), PlanVerdict.TOO_MANY_STEPS),
        (f"1. Read it.\n2. Print {'the very ' * 60}long list.", PlanVerdict.TOO_LONG),
        ("1. Прочитать все числа из ввода.\n2. Вывести их по порядку.", PlanVerdict.WRONG_LANGUAGE),
        ("1. Alle Zahlen einlesen.\n2. Zahlen sortieren und ausgeben.", PlanVerdict.WRONG_LANGUAGE),
        (f"{GOOD}\n```python\nprint(1)\n```", PlanVerdict.COPIES_CODE),
        (
            "1. First count = int(input()) is read.\n2. Then values = sorted(map(int, input().split())).",
            PlanVerdict.COPIES_CODE,
        ),
    ],
)
def test_a_defect_is_named(text: str, verdict: PlanVerdict) -> None:
    """Each kind of defect has a verdict of its own."""
    assert verdict in defects(text)


def test_only_what_follows_the_reasoning_is_read() -> None:
    """Numbered thoughts before the end of the reasoning are no steps."""
    assert read_plan(f"<think>\n1. hm\n2. no\n</think>\n\n{GOOD}").steps == read_plan(GOOD).steps


def test_nested_lines_belong_to_their_step_and_comments_to_none() -> None:
    """Lettered and indented lines join the step above; prose before and after the list is left out."""
    text = "Here is the plan:\n1. Read:\n   a. the count\n   * the list\n2) Print it.\n\nThis runs in linear time.\n"
    assert read_plan(text).plan == "1. Read: a. the count * the list\n2. Print it."


@given(st.lists(st.text("abc xyz,", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=20))
def test_reading_a_plan_again_changes_nothing(steps: list[str]) -> None:
    """The normal form of a plan is read as itself."""
    plan = read_plan("\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1)))
    assert plan.steps == tuple(steps)
    assert read_plan(plan.plan) == plan


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """No response makes the reader fail; it has as many numbers as steps."""
    read = read_plan(text)
    assert len(read.steps) == len(read.numbers)


SORTING = "n = int(input())\na = sorted(map(int, input().split()))\ns = 0\nfor x in a:\n    if x > s:\n        s += x\nprint(s % 7)\n"


def test_a_plan_that_speaks_of_its_program_agrees() -> None:
    """Naming most of what the program does is enough."""
    assert agreement(
        "1. Sort the numbers.\n2. For each, if it is larger than the total, add it.\n3. Print the rest.", SORTING
    ).agrees


def test_a_silent_plan_disagrees() -> None:
    """A plan that names little of what the program does is told apart."""
    assert not agreement("1. Greet the user.\n2. Say goodbye politely.", SORTING).agrees


NAMED = "kiln_readings = [int(piece) for piece in input().split()]\nhottest = kiln_readings[0]\nprint(hottest)\n"


def test_a_plan_of_another_program_disagrees() -> None:
    """A program whose names are words, and a plan that uses none of them, do not belong together."""
    assert agreement("1. Take the first reading of the kiln.\n2. Print it.", NAMED).agrees
    assert not agreement("1. Count the boats in the harbour.\n2. Print how many there are.", NAMED).agrees


def test_short_names_say_nothing() -> None:
    """With names of one letter the words of the plan are not held against it."""
    found = agreement(
        "1. Count the boats.\n2. Print how many there are.", "a = [int(b) for b in input().split()]\nprint(a[0])"
    )
    assert (found.names, found.agrees) == (frozenset(), True)


def test_an_invented_method_disagrees() -> None:
    """Naming a method that the program plainly does not use speaks against the plan."""
    plan = "1. Sort the numbers.\n2. Use binary search for each of them.\n3. If found, add it and print the remainder."
    assert agreement(plan, SORTING).invented == {"binary_search"}


def test_a_method_that_is_not_used_may_be_named() -> None:
    """Saying that no heap is needed does not claim one."""
    plan = "1. Sort the numbers, no heap is needed.\n2. For each, if larger, add it.\n3. Print the remainder."
    assert agreement(plan, SORTING).agrees
