"""Draws by weight: exact counts, whatever the order of the rows, and clear words where it cannot be."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.mixing import Draw, largest_remainder, read_weights
from tests.exports.tables import put_sft, run, sft
from tests.exports.test_conversations import read

shares_of = st.lists(st.fractions(Fraction(1, 100), 100), min_size=1, max_size=8)


@given(st.integers(0, 10_000), shares_of)
def test_counts_add_up_and_are_near_their_shares(total: int, shares: list[Fraction]) -> None:
    """The sum is exact, and no count is a whole row away from its share."""
    counts = largest_remainder(total, shares)
    assert sum(counts) == total
    assert all(abs(count - total * share / sum(shares)) < 1 for count, share in zip(counts, shares, strict=True))


def drawn(facets: dict[str, str], *texts: str, rows: int | None = None, seed: int = 0) -> list[str]:
    """Draw from rows, given by key with their language."""
    draw = Draw(read_weights(texts), rows=rows, seed=seed)
    for key, language in facets.items():
        draw.add(key, {"language": language, "source": "any"})
    return [key for key, is_drawn in zip(facets, draw.drawn(), strict=True) if is_drawn]


POOL = {f"p{number}": "python" for number in range(90)} | {f"c{number}": "cpp" for number in range(30)}


def test_the_scarcest_kind_decides_how_many(tmp_path: Path) -> None:
    """Without a number of rows it is the largest that the weights allow."""
    chosen = drawn(POOL, "language:python=1", "language:cpp=1")
    assert Counter(POOL[key] for key in chosen) == {"python": 30, "cpp": 30}
    file = tmp_path / "mix.json"
    for weights in ({"language": {"python": 2, "cpp": 1}}, {"language:python": 2, "cpp": 1}):
        file.write_text(json.dumps(weights))
        assert Counter(POOL[key] for key in drawn(POOL, str(file))) == {"python": 60, "cpp": 30}


def test_the_order_of_the_rows_decides_nothing() -> None:
    """The same seed draws the same rows from any order; another seed draws others."""
    turned = dict(reversed(POOL.items()))
    first = drawn(POOL, "python=1", "cpp=1", rows=20)
    assert set(first) == set(drawn(turned, "python=1", "cpp=1", rows=20))
    assert len(first) == 20
    assert set(first) != set(drawn(POOL, "python=1", "cpp=1", rows=20, seed=1))


def test_a_value_without_weight_is_left_out() -> None:
    """Only named values are drawn; a star names all others."""
    assert {POOL[key] for key in drawn(POOL, "cpp=1")} == {"cpp"}
    assert {POOL[key] for key in drawn(POOL, "cpp=1", "language:*=1")} == {"cpp", "python"}


@pytest.mark.parametrize(
    ("texts", "rows", "said"),
    [
        (["language:python=1", "language:cpp=1"], 80, "60 rows in all are possible"),
        (["rust=1"], None, "no row has it"),
        (["language:rust=1"], None, "there are cpp, python"),
        (["colour:red=1"], None, "they have language, source"),
        (["cpp=0"], None, "no row has a weight"),
    ],
)
def test_what_cannot_be_drawn_is_said(texts: list[str], rows: int | None, said: str) -> None:
    """The message names the value and what is there."""
    with pytest.raises(InputError, match=said):
        drawn(POOL, *texts, rows=rows)


@pytest.mark.parametrize("text", ["python", "=3", "python=-1", "python=x", "absent.json"])
def test_wrong_weights_are_refused(text: str) -> None:
    """A weight is a number of at least 0 after an equals sign."""
    with pytest.raises(OptionError, match="mix"):
        read_weights([text])


def test_an_export_is_drawn(tmp_path: Path) -> None:
    """Rows that are not drawn are counted, and the number is exact."""
    rows = [sft(number, model="a" if number % 3 else "b") for number in range(60)]
    options = ("--mix", "teacher:a=3", "--mix", "model:b=1", "--rows", 21, "--seed", 5)
    account = run("export", put_sft(tmp_path, *rows), "--format", "messages", "--out", tmp_path / "out", *options)
    assert (account["kept"], account["dropped"]) == (21, {"not_drawn": 39})
    assert Counter(row["model"] for row in read(tmp_path / "out")) == {"a": 16, "b": 5}


def test_any_number_of_rows_without_weights(tmp_path: Path) -> None:
    """A sample of the whole needs no weights."""
    path = put_sft(tmp_path, *(sft(number) for number in range(10)))
    account = run("export", path, "--format", "messages", "--out", tmp_path / "out", "--rows", 4)
    assert account["dropped"] == {"not_drawn": 6}
