"""Withheld statements come from the user's own copy, known by their hash; what does not is counted with its reason."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.tables import CLEAN_PROBLEMS
from tests.exports.tables import STATEMENT, problem, put, put_sft, run, sft

RAW = Path(__file__).parents[2] / "ocr_pipeline" / "sample" / "raw"
OURS = {"dataset": "taco", "problem_id": "taco/train/abc", "native_id": "abc"}


def digest(text: str) -> str:
    """Return the hash that a row of the data set carries."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def withheld(statement: str = STATEMENT, **values: Any) -> dict[str, Any]:
    """Return a row whose statement may not be handed on."""
    plain = {"id": digest(statement), "input": "-", "dataset": "taco", "problem_id": "taco/train/abc", "index": "abc"}
    return sft(**plain | values)


def joined(out: Path) -> list[dict[str, Any]]:
    """Return the rows that a join wrote."""
    rows: list[dict[str, Any]] = pq.read_table(out / "sft_dataset.parquet").to_pylist()
    return rows


def test_ingested_problems_fill_in(tmp_path: Path) -> None:
    """A statement is found by its hash, whatever the copy calls the problem; every other column stays."""
    rows = put_sft(tmp_path, withheld(), sft(2))
    copy = put(tmp_path, CLEAN_PROBLEMS, [problem(**OURS | {"problem_id": "taco/test/other"})])
    account = run("join", rows, "--problems", copy, "--out", tmp_path / "out")
    assert (account["kept"], account["notes"]) == (2, {"filled in": 1, "had a statement": 1})
    before = pq.read_table(rows).to_pylist()
    after = joined(tmp_path / "out")
    assert after[0]["input"] == STATEMENT
    assert [row | {"input": ""} for row in after] == [row | {"input": ""} for row in before]


def test_hashed_ids_of_taco(tmp_path: Path) -> None:
    """TACO's rows have no ids: raw files give the same content, and so the same texts, in any order."""
    run("ingest", "taco", RAW / "taco", "--split", "train", "--out", tmp_path / "taco")
    problems = pq.read_table(tmp_path / "taco" / "problems.parquet").to_pylist()
    rows = [
        withheld(one["statement"], problem_id=one["problem_id"], index=one["native_id"], sample_id=str(number))
        for number, one in enumerate(problems)
    ]
    path = put_sft(tmp_path, *rows)
    account = run("join", path, "--raw", f"taco={RAW / 'taco'}", "--out", tmp_path / "out")
    assert account["notes"] == {"filled in": len(problems)}
    assert [row["input"] for row in joined(tmp_path / "out")] == [one["statement"] for one in problems]


def test_what_cannot_be_joined_has_a_reason(tmp_path: Path) -> None:
    """No copy of the data set, a copy without the problem, a copy with other words; rows stay only where asked for."""
    rows = put_sft(
        tmp_path,
        withheld(dataset="apps", problem_id="apps/train/1", sample_id="a"),
        withheld("Gone.", problem_id="taco/train/gone", index="gone", sample_id="b"),
        withheld("Before it was changed.", sample_id="c"),
    )
    copy = put(tmp_path, CLEAN_PROBLEMS, [problem(**OURS | {"statement": "Changed."})])
    account = run("join", rows, "--problems", copy, "--out", tmp_path / "out")
    assert account["dropped"] == {"no_copy_of_its_data_set": 1, "not_in_the_copy": 1, "told_in_other_words": 1}
    assert joined(tmp_path / "out") == []
    kept = run("join", rows, "--problems", copy, "--out", tmp_path / "out", "--keep-unjoined")
    assert (kept["kept"], sum(kept["notes"].values())) == (3, 3)
    assert {row["input"] for row in joined(tmp_path / "out")} == {"-"}


def test_a_row_without_a_hash_goes_by_its_index(tmp_path: Path) -> None:
    """Data set, split and index name a problem; of several data sets any one will do."""
    row = withheld(id="unknown", problem_id="", dataset="apps, taco", index="abc")
    copy = put(tmp_path, CLEAN_PROBLEMS, [problem(**OURS)])
    account = run("join", put_sft(tmp_path, row), "--problems", copy, "--out", tmp_path / "out")
    assert account["notes"] == {"filled in": 1}


def test_a_placeholder_is_no_copy(tmp_path: Path) -> None:
    """Problems that hold the placeholder themselves fill nothing in."""
    copy = put(tmp_path, CLEAN_PROBLEMS, [problem(**OURS | {"statement": "-"})])
    account = run("join", put_sft(tmp_path, withheld()), "--problems", copy, "--out", tmp_path / "out")
    assert account["dropped"] == {"not_in_the_copy": 1}


@pytest.mark.parametrize("options", [(), ("--raw", "taco"), ("--raw", "tacco=/nowhere"), ("--raw", "taco=")])
def test_a_copy_has_to_be_given(options: tuple[str, ...], tmp_path: Path) -> None:
    """The message says how, and nothing is written."""
    with pytest.raises((OptionError, InputError)):
        run("join", put_sft(tmp_path, withheld()), "--out", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()
