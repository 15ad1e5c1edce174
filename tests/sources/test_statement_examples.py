"""Example tests are read out of statements, without the words that people write below them."""

from __future__ import annotations

import pytest

from ocr_pipeline.sources.examples import stdin_examples


@pytest.mark.parametrize(
    ("output", "kept"),
    [
        ("365\n\n2023 is not a multiple of 4.", "365\n"),
        ("3\n\nThe largest is A_3, so print 3.", "3\n"),
        ("-1 -1 1\n\n\n- i = 1: there is none", "-1 -1 1\n"),
        ("7 2\n\nTime Limit: {'seconds': 1}", "7 2\n"),
        ("1 2\n\n3 4", "1 2\n\n3 4\n"),
        ("YES\n\nNO", "YES\n\nNO\n"),
        ("Case 1: Alice wins\n\nCase 2: Bob wins", "Case 1: Alice wins\n\nCase 2: Bob wins\n"),
    ],
)
def test_an_explanation_is_no_part_of_an_output(output: str, kept: str) -> None:
    """A later paragraph with words ends an output of numbers or single words; words like those before it do not."""
    [shown] = stdin_examples(f"Add.\n\nSample Input 1\n\n1\n\nSample Output 1\n\n{output}\n")
    assert shown.expected == kept
