"""Markdown tables keep their shape whatever the cells hold."""

import re

from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.markdown import markdown_table

UNESCAPED_BAR = re.compile(r"(?<!\\)\|")
cells = st.text(max_size=30) | st.integers() | st.floats(allow_nan=False) | st.none() | st.booleans()


@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_every_row_is_one_line_with_as_many_cells_as_the_header(rows: list[tuple[object, object]]) -> None:
    """Bars and line breaks inside a cell do not end it."""
    lines = markdown_table(["left", "a | b"], rows).split("\n")
    assert len(lines) == len(rows) + 2
    assert {len(UNESCAPED_BAR.findall(line)) for line in lines} == {3}


def test_columns_of_numbers_are_aligned_to_the_right() -> None:
    """Whole numbers with separators, others with four digits; a name among them makes the column text."""
    rows = [["taco", 1234, 0.123456, 5], ["apps", 2, 1.0, "none"]]
    assert markdown_table(["set", "rows", "share", "x"], rows).split("\n") == [
        "| set | rows | share | x |",
        "| --- | ---: | ---: | --- |",
        "| taco | 1,234 | 0.1235 | 5 |",
        "| apps | 2 | 1 | none |",
    ]


def test_long_text_is_shortened_where_wanted_before_it_is_escaped() -> None:
    """A cell never ends in half an escape."""
    assert markdown_table(["x"], [["abcd|efgh"]], longest=6).endswith("| abcd\\|… |")


def test_nothing_begins_a_tag() -> None:
    """A template type of C++ is shown, not swallowed."""
    assert markdown_table(["x"], [["vector<int>"]]).endswith("| vector&lt;int> |")
