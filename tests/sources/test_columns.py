"""What ingest does with whole columns of texts at once: set aside, doubt, look for characters."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.sources.blocks import accepted_python
from ocr_pipeline.sources.buffers import holds_any
from ocr_pipeline.sources.model import SOLUTION_BLOCK, TEST_BLOCK
from ocr_pipeline.sources.reading import Reading
from ocr_pipeline.sources.rules import Repair, Suspicion
from ocr_pipeline.sources.spill import SpillWriter, open_spills
from ocr_pipeline.sources.suspicions import find_suspicions
from ocr_pipeline.sources.text import has_image

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
CUT_TEXTS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "1 2 3", "#..", "word", "é", "12345678 9", "12345678 x9"]),
    st.sampled_from(["", " ", ".", "..", "...", "…", " ...", " …"]),
    st.sampled_from(["", "\n", "\n\n", " "]),
)
TESTS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["public", "generated"]), CUT_TEXTS | TEXTS, CUT_TEXTS | TEXTS),
    max_size=30,
)


def block(rows: Sequence[tuple[str, str, str]]) -> pa.RecordBatch:
    """Return tests as a batch."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, TEST_BLOCK, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=TEST_BLOCK)


@given(st.lists(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=5), max_size=5), st.data())
def test_blocks_come_back_in_any_order(problems: list[list[tuple[str, str, str]]], data: st.DataObject) -> None:
    """Rows that were set aside, also a slice of a larger batch, come back as they were, in the order that is asked for."""
    whole = block([row for rows in problems for row in rows])
    starts = np.cumsum([0, *map(len, problems)])
    with open_spills(1) as spills:
        spill = SpillWriter(spills.files[0], 0)
        blocks = [spill.put_batch(whole.slice(starts[n], len(rows))) for n, rows in enumerate(problems)]
        spill.flush()
        order = data.draw(st.permutations(range(len(problems))))
        found = spills.get_rows([blocks[number] for number in order], TEST_BLOCK)
        found.validate(full=True)
        assert found.to_pylist() == block([row for number in order for row in problems[number]]).to_pylist()


def test_truth_values_come_back_and_nulls_are_refused() -> None:
    """Solutions carry a truth value; a null would come back as something else, so it is an error."""
    rows = [
        {"language": "python", "code": "", "is_correct": True, "is_judged": True, "verdict": ""},
        {"language": "", "code": "é", "is_correct": False, "is_judged": False, "verdict": "mixed"},
    ]
    batch = pa.RecordBatch.from_pylist(rows, schema=SOLUTION_BLOCK)
    with open_spills(1) as spills:
        spill = SpillWriter(spills.files[0], 0)
        blocks = [spill.put_batch(part) for part in (batch, batch.slice(1), batch.slice(2))]
        spill.flush()
        assert spills.get_rows(blocks, SOLUTION_BLOCK).to_pylist() == [*rows, rows[1]]
        with pytest.raises(ValueError, match="1 nulls"):
            spill.put_batch(pa.RecordBatch.from_pylist([rows[0] | {"code": None}], schema=SOLUTION_BLOCK))


def test_a_spill_file_that_was_cut_is_an_error() -> None:
    """Rows are never made up when a temporary file is shorter than it was."""
    with open_spills(1) as spills:
        spill = SpillWriter(spills.files[0], 0)
        place = spill.put(b"12345678")
        spill.flush()
        spills.files[0].truncate(4)
        with pytest.raises(OSError, match="shorter"):
            spills.get(place)


def test_what_the_system_reads_in_pieces_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call of the system that returns less than was asked for is followed by others."""
    rows = [("public", "1 2 3\n" * 5, "6\n"), ("private", "", "0123456789")]
    with open_spills(1) as spills:
        spill = SpillWriter(spills.files[0], 0)
        places = [spill.put(b"blob"), spill.put_batch(block(rows))]
        spill.flush()
        whole = os.preadv
        monkeypatch.setattr(os, "preadv", lambda file, views, offset: whole(file, [views[0][:3]], offset))
        assert spills.get(places[0]) == b"blob"
        assert spills.get_rows([places[1]], TEST_BLOCK).to_pylist() == block(rows).to_pylist()


@given(TESTS)
def test_suspicions_are_those_of_a_plain_loop(rows: list[tuple[int, str, str, str]]) -> None:
    """What is found over whole columns is what the rules say test by test."""
    rows = sorted(rows, key=lambda row: row[0])
    found = find_suspicions(
        block([row[1:] for row in rows]),
        np.array([row[0] for row in rows], np.int64),
        has_solution=[True, False, True],
        is_function=[False, False, True],
        is_outside=np.array([row[2] == "x" for row in rows], bool),
    )
    assert found.column.to_pylist() == [plain_suspicions(rows, number) for number in range(len(rows))]


def plain_suspicions(rows: list[tuple[int, str, str, str]], number: int) -> list[str]:
    """Apply the rules to one test."""
    problem, kind, given_text, expected = rows[number]
    same_input = [row for row in rows if row[0] == problem and row[2] == given_text]
    cut = re.compile(r"\w ?(?:\.\.\.|…)\n?\Z")
    keys = re.compile(r'[{,]"-?[0-9]+":')
    rules = {
        Suspicion.CONTRADICTION: any(row[3] != expected for row in same_input),
        Suspicion.DUPLICATE: any(row[0] == problem and row[2:] == rows[number][2:] for row in rows[:number]),
        Suspicion.EMPTY_EXPECTED: not expected.strip() and problem != 2,
        Suspicion.GENERATED_WITHOUT_SOLUTION: kind == "generated" and problem == 1,
        Suspicion.INTEGER_KEYS: problem == 2 and any(keys.search(text) for text in (given_text, expected)),
        Suspicion.OUT_OF_BOUNDS: given_text == "x",
        Suspicion.TRUNCATED: any(cut.search(text) for text in (given_text, expected)),
    }
    return [rule.value for rule, is_hit in rules.items() if is_hit]


@given(st.lists(TEXTS), st.integers(0, 5))
def test_characters_are_found_in_the_texts_of_a_slice_only(texts: list[str], start: int) -> None:
    """What stands outside of a slice is not looked at."""
    for kind in (pa.string(), pa.large_string()):
        array = pa.array(["\r", *texts, "\r"], kind).slice(1, len(texts)).slice(min(start, len(texts)))
        assert holds_any(array, b"\r\0") == any(set(text) & {"\r", "\0"} for text in texts[start:])


def test_accepted_programs_are_brought_to_normal_form() -> None:
    """Newlines, NUL and lone surrogates are mended in every program, and noted."""
    reading = Reading({})
    programs = ["a\r\nb\rc", "d\0", "\ud800", "fine\n"]
    assert accepted_python(programs, reading)["code"].to_pylist() == [
        "a\nb\nc",
        "d",
        "\N{REPLACEMENT CHARACTER}",
        "fine\n",
    ]
    assert reading.repairs == {Repair.NEWLINES, Repair.NUL_REMOVED, Repair.LONE_SURROGATES}
    assert accepted_python([], reading).num_rows == 0


@pytest.mark.parametrize(
    ("statement", "is_shown"),
    [
        ("See ![a](b.png)", True),
        ("<IMG src=a>", True),
        ("< image >", True),
        ("[Image]", True),
        (r"\includegraphics{a}", True),
        (r"\Illustration{a}", True),
        ("An image of a wall!", False),
        ("imagine", False),
    ],
)
def test_images_are_found_in_each_of_their_forms(statement: str, is_shown: object) -> None:
    """Each way to show an image is seen, whatever the case; the word alone is none."""
    assert has_image(statement) is is_shown
