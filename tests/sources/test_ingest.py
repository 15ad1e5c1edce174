"""Ingest as a step: nothing is lost, order does not matter, the same rows give the same bytes."""

from __future__ import annotations

import gzip
import importlib
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocr_pipeline.errors import InputError, StoreError
from ocr_pipeline.sources import SOURCES, hash_of_raw
from ocr_pipeline.sources.raw import open_parts, rows_of
from ocr_pipeline.sources.rules import Reason, Repair, Suspicion
from tests.sources import rows as raw
from tests.sources.rows import run

GARBAGE = st.binary(max_size=60).map(lambda data: data.decode("latin-1")) | st.sampled_from(
    ["[", "{}", "null", "[NaN]", '"\\ud800"', "\0", "[[" * 2_000, "9" * 5_000, '[{"input": 1}]', "eJwDAAAAAAE=", "{]"]
)
JSON_FIELDS = [
    ("taco", raw.taco, ("input_output", "solutions", "raw_tags", "tags", "skill_types", "time_limit", "date")),
    ("apps", raw.apps, ("input_output", "solutions", "starter_code", "url")),
    ("livecodebench", raw.livecodebench, ("public_test_cases", "private_test_cases", "metadata", "contest_date")),
    ("code_contests", raw.contest, ("public_tests", "generated_tests", "solutions", "source", "time_limit", "cf_tags")),
    ("code_contests", raw.labelled_contest, ("content", "labels", "test")),
    ("codeforces", raw.codeforces, ("examples", "official_tests", "contest_start", "tags", "generated_checker")),
    ("leetcode", raw.leetcode, ("input_output", "completion", "estimated_date", "tags", "starter_code", "test")),
    ("mbpp", raw.mbpp, ("code", "test_list", "test_setup_code", "challenge_test_list")),
    ("humaneval", raw.humaneval, ("prompt", "canonical_solution", "test", "entry_point")),
    ("own", raw.own, ("statement", "tags", "checker", "time_limit_s", "checker_code", "input_file", "io_mode")),
]
VALUES = GARBAGE | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["input", "output", "solution", "language"]), inner)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(("dataset", "make", "fields"), JSON_FIELDS)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_in_a_field_is_kept_or_rejected_with_a_reason(
    dataset: str, make: Any, fields: tuple[str, ...], data: st.DataObject
) -> None:
    """Whatever stands in a JSON field, the row is found again: as a problem, or rejected with a known reason."""
    rows = [make(**{field: data.draw(VALUES)}) for field in fields]
    with tempfile.TemporaryDirectory() as folder:
        path = raw.json_lines(Path(folder) / "rows.jsonl", rows)
        result = run(dataset, [path], Path(folder) / "out")
        assert result.counts.rows_in == len(rows)
        assert len(result.rows("problems")) == result.counts.kept
        reasons = [row["reason"] for row in result.rows("rejected")]
        assert len(reasons) == len(rows) - result.counts.kept
        assert set(reasons) <= set(Reason)


@given(st.lists(st.binary(max_size=80), max_size=8))
@settings(max_examples=30, deadline=None)
def test_garbage_lines_are_counted(lines: list[bytes]) -> None:
    """Lines of a JSONL file that are not rows are rejected one by one."""
    kept = json.dumps(raw.apps()).encode()
    noise = [line.replace(b"\n", b"").replace(b"\r", b"") for line in lines]
    noise = [line for line in noise if line.strip()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(b"\n".join([*noise, kept]))
        counts = run("apps", [path], Path(folder) / "out").counts
        assert (counts.rows_in, counts.kept) == (len(noise) + 1, 1)


def mixed_rows() -> list[dict[str, Any]]:
    """Return good, bad and repeated rows."""
    good = [raw.taco(question=f"Print the number {number} and nothing else.") for number in range(30)]
    bad = [raw.taco(question="", url=str(number)) for number in range(3)]
    bad += [raw.taco(input_output="{", url=str(number)) for number in range(3)]
    return [*good, *bad, *good[:2], good[0], raw.taco(question=good[1]["question"], solutions="[]")]


def test_neither_order_nor_files_show_in_the_bytes(tmp_path: Path) -> None:
    """Shuffled rows, in one file or in several given in any order, give the same four files."""
    rows = mixed_rows()
    first = run("taco", [raw.parquet(tmp_path / "a" / "rows.parquet", rows)], tmp_path / "out1")
    random.Random(3).shuffle(rows)  # noqa: S311 - a test's order
    parts = [raw.parquet(tmp_path / "b" / f"{part}.parquet", rows[part::3]) for part in (2, 0, 1)]
    second = run("taco", parts, tmp_path / "out2")
    third = run("taco", [raw.json_lines(tmp_path / "c.jsonl", rows)], tmp_path / "out3")
    assert first.bytes() == second.bytes() == third.bytes()
    assert first.counts == second.counts


def test_neither_processes_nor_portions_show_in_the_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that share the row groups of several files write the same four files as one that reads them all."""
    rows = mixed_rows()
    for part in range(3):
        raw.parquet(tmp_path / "raw" / f"{part}.parquet", rows[part::3], row_group_size=4)
    raw.json_lines(tmp_path / "raw" / "more.jsonl", [raw.taco(question=f"Print {n} twice, please.") for n in range(9)])
    alone = run("taco", [tmp_path / "raw"], tmp_path / "out1")
    module = importlib.import_module("ocr_pipeline.sources.ingest")
    monkeypatch.setattr(module, "PARALLEL_BYTES", 0)
    monkeypatch.setattr("ocr_pipeline.sources.arrow_parts.PORTION_BYTES", 1)
    shared = run("taco", [tmp_path / "raw"], tmp_path / "out2", workers=2)
    assert alone.bytes() == shared.bytes()
    assert alone.counts == shared.counts


def test_the_number_of_rows_is_known_before_they_are_read(tmp_path: Path) -> None:
    """Progress gets a total from Parquet and from plain lines, and none from compressed ones."""
    raw.parquet(tmp_path / "raw" / "a.parquet", [raw.taco()] * 3)
    raw.json_lines(tmp_path / "raw" / "b.jsonl", [raw.taco()] * 2)
    assert rows_of(open_parts("taco", [tmp_path / "raw"], "train").parts) == 5
    (tmp_path / "raw" / "c.jsonl.gz").write_bytes(gzip.compress(json.dumps(raw.taco()).encode()))
    assert rows_of(open_parts("taco", [tmp_path / "raw"], "train").parts) is None


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    """Rows in are problems plus rejected rows, each with its reason."""
    result = run("taco", [raw.parquet(tmp_path / "rows.parquet", mixed_rows())], tmp_path / "out")
    assert result.counts.rows_in == 40
    assert result.counts.kept == 30
    assert result.counts.dropped == {"duplicate_id": 4, "empty_statement": 3, "invalid_json": 3}
    keys = [(row["native_id"], row["reason"]) for row in result.rows("rejected")]
    assert len(set(keys)) == len(keys) == 10
    assert all(row["raw"] and row["detail"] for row in result.rows("rejected"))


def test_of_two_rows_with_one_id_content_decides(tmp_path: Path) -> None:
    """Which of two rows with the same id stays depends on what they say, not on which came first."""
    one, two = raw.apps(question="Print one, the first number."), raw.apps(question="Print two, the second number.")
    first = run("apps", [raw.parquet(tmp_path / "a.parquet", [one, two])], tmp_path / "out1")
    second = run("apps", [raw.parquet(tmp_path / "b.parquet", [two, one])], tmp_path / "out2")
    assert first.bytes() == second.bytes()
    assert first.counts.dropped == {"duplicate_id": 1}
    (rejected,) = first.rows("rejected")
    assert json.loads(rejected["raw"])["question"] != first.one()["statement"]


def test_a_taco_row_in_normal_form(tmp_path: Path) -> None:
    """Every column of a TACO row ends up where the design says."""
    row = raw.taco(question="Read n &le; 5.\r\nPrint n.&amp;lt;")
    result = run("taco", [raw.parquet(tmp_path / "rows.parquet", [row])], tmp_path / "out")
    problem = result.one()
    assert problem["statement"] == "Read n ≤ 5.\nPrint n.&lt;"
    assert problem["problem_id"] == f"taco/train/{problem['native_id']}"
    assert (problem["time_limit_s"], problem["memory_limit_mib"]) == (2.0, 256.0)
    assert problem["tags"] == ["Mathematics", "implementation", "math"]
    assert problem["contest_date"].isoformat() == "2019-12-31"
    assert (problem["site"], problem["difficulty"], problem["license"]) == ("codeforces", "EASY", "apache-2.0")
    assert (problem["n_tests"], problem["n_solutions"]) == (2, 1)
    assert problem["repairs"] == [Repair.HTML_ENTITIES, Repair.NEWLINES]
    assert [test["test_id"] for test in result.rows("tests")] == ["000000", "000001"]


def test_missing_tests_and_solutions_are_noted_not_dropped(tmp_path: Path) -> None:
    """A problem without tests or solutions can still be answered: it is kept and flagged."""
    row = raw.taco(input_output="", solutions="")
    problem = run("taco", [raw.parquet(tmp_path / "rows.parquet", [row])], tmp_path / "out").one()
    assert (problem["n_tests"], problem["n_solutions"]) == (0, 0)
    assert problem["repairs"] == [Repair.NO_SOLUTIONS, Repair.NO_TESTS]


def test_examples_become_tests_when_only_the_statement_holds_them(tmp_path: Path) -> None:
    """Examples are read from the statement only for a row without tests."""
    question = "Add.\n\nInput\n\nTwo integers.\n\nOutput\n\nTheir sum.\n\nExamples\n\nInput\n\n1 2\n\nOutput\n\n3\n\nNote\n\nEasy."
    other = json.dumps({"inputs": ["5 5\n"], "outputs": ["10\n"]})
    rows = [raw.taco(question=question, input_output="null"), raw.taco(question=question + " ", input_output=other)]
    result = run("taco", [raw.parquet(tmp_path / "rows.parquet", rows)], tmp_path / "out")
    shown = [test for test in result.rows("tests") if test["kind"] == "example"]
    assert [(test["input"], test["expected"]) for test in shown] == [("1 2\n", "3\n")]
    assert result.counts.notes["repair:examples_from_statement"] == 1


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("", Reason.EMPTY_STATEMENT),
        (" \n\t", Reason.EMPTY_STATEMENT),
        ("http://example.org/problem.pdf", Reason.LINKS_ONLY),
        ("![task](http://example.org/a.png)\n<image>", Reason.LINKS_ONLY),
    ],
)
def test_a_statement_that_says_nothing_is_rejected(statement: str, reason: Reason, tmp_path: Path) -> None:
    """Empty statements and statements of nothing but links or pictures have their own reasons."""
    result = run("taco", [raw.parquet(tmp_path / "rows.parquet", [raw.taco(question=statement)])], tmp_path / "out")
    assert result.counts.dropped == {reason.value: 1}


@pytest.mark.parametrize(
    ("sentence", "checker", "tolerance"),
    [
        ("Your answer is right if its absolute or relative error does not exceed 10^{-6}.", "float", 1e-6),
        ("An absolute error of at most 1e-4 is accepted.", "float", 1e-4),
        ("If there are multiple answers, print any of them.", "special", None),
        ("You can print each letter in any case.", "case_insensitive", None),
        ("Return the pairs in any order.", "unordered", None),
        ("Print the least number.", "tokens", None),
    ],
)
def test_the_checker_is_read_from_the_statement(
    sentence: str, checker: str, tolerance: float | None, tmp_path: Path
) -> None:
    """Sources without a checker of their own get the one that the statement names."""
    row = raw.taco(question=f"Read an integer. {sentence} Good luck.")
    problem = run("taco", [raw.parquet(tmp_path / "rows.parquet", [row])], tmp_path / "out").one()
    assert (problem["checker"], problem["float_tolerance"]) == (checker, tolerance)


def test_images_and_interaction_are_flagged(tmp_path: Path) -> None:
    """A statement with an image, or of an interactive problem, says so in its columns."""
    text = "This is an interactive problem. Guess the number.\n![hint](a.png)"
    problem = run("taco", [raw.parquet(tmp_path / "r.parquet", [raw.taco(question=text)])], tmp_path / "out").one()
    assert problem["has_image"]
    assert problem["io_mode"] == "interactive"


def test_suspect_tests_are_marked(tmp_path: Path) -> None:
    """Repeated, contradicting, blank and cut tests are marked; a grid of dots is not cut."""
    inputs = ["1\n", "1\n", "2\n", "2\n", "3 4...", "4", "5"]
    outputs = ["1\n", "1\n", "2\n", "3\n", "1", " \n", "#...\n...."]
    row = raw.taco(input_output=json.dumps({"inputs": inputs, "outputs": outputs}))
    result = run("taco", [raw.parquet(tmp_path / "rows.parquet", [row])], tmp_path / "out")
    assert [test["suspicions"] for test in result.rows("tests")] == [
        [],
        [Suspicion.DUPLICATE],
        [Suspicion.CONTRADICTION],
        [Suspicion.CONTRADICTION],
        [Suspicion.TRUNCATED],
        [Suspicion.EMPTY_EXPECTED],
        [],
    ]


def test_columns_that_are_null_or_of_another_type_are_data(tmp_path: Path) -> None:
    """Null columns count as absent; a number where text belongs is a reason."""
    schema = pa.schema([(name, pa.string()) for name in raw.TACO_COLUMNS])
    nulls = dict.fromkeys(raw.TACO_COLUMNS) | {"question": raw.taco()["question"]}
    kept = run("taco", [raw.parquet(tmp_path / "nulls.parquet", [nulls], schema)], tmp_path / "out1")
    assert kept.counts.kept == 1
    wrong = run("taco", [raw.parquet(tmp_path / "wrong.parquet", [raw.taco(question=5)])], tmp_path / "out2")
    assert wrong.counts.dropped == {"wrong_type": 1}


def test_text_that_is_no_utf8_is_mended(tmp_path: Path) -> None:
    """Parquet may hold bytes that are not UTF-8: they are replaced and noted, never raised."""
    bad = {name: value.encode() for name, value in raw.taco().items()}
    bad["question"] += b" \xff\xfe"
    table = pa.Table.from_pylist([bad])
    unchecked = [
        pa.chunked_array([pa.Array.from_buffers(pa.string(), len(chunk), chunk.buffers()) for chunk in column.chunks])
        for column in table.columns
    ]
    pq.write_table(pa.table(unchecked, names=table.column_names), tmp_path / "rows.parquet")
    problem = run("taco", [tmp_path / "rows.parquet"], tmp_path / "out").one()
    assert problem["statement"].endswith("\N{REPLACEMENT CHARACTER}" * 2)
    assert Repair.INVALID_UTF8 in problem["repairs"]


def test_surrogates_and_nul_are_mended(tmp_path: Path) -> None:
    """Lone surrogates and NUL cannot stand in the tables: they are mended wherever they are."""
    line = json.dumps(raw.apps(question="Print \ud800 and \0 twice.", solutions='["print(\\"\\udfff\\")"]'))
    path = tmp_path / "rows.jsonl"
    path.write_text(line, encoding="utf-8")
    problem = run("apps", [path], tmp_path / "out").one()
    assert problem["statement"] == "Print \N{REPLACEMENT CHARACTER} and  twice."
    assert {Repair.LONE_SURROGATES, Repair.NUL_REMOVED} <= set(problem["repairs"])


def test_an_enormous_row_is_kept_and_a_rejected_one_is_cut(tmp_path: Path) -> None:
    """A row of many megabytes goes through; a rejected one is shown by its first 64 kB."""
    big = "7 " * 3_000_000
    good = raw.apps(input_output=json.dumps({"inputs": [big], "outputs": ["7"]}))
    bad = raw.apps(problem_id=8, question="", solutions=json.dumps([big]))
    result = run("apps", [raw.parquet(tmp_path / "rows.parquet", [good, bad])], tmp_path / "out")
    assert result.rows("tests")[0]["input"] == big
    assert len(result.rows("rejected")[0]["raw"].encode()) <= 64 << 10


def test_a_folder_gives_only_the_files_of_the_split(tmp_path: Path) -> None:
    """In a hub download the file names tell the splits apart; hidden caches are left alone."""
    raw.parquet(tmp_path / "ALL" / "train-00000-of-00001.parquet", [raw.taco()])
    raw.parquet(tmp_path / "ALL" / "test-00000-of-00001.parquet", [raw.taco(question="Print the letter x.")])
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "train-1.parquet").write_bytes(b"noise")
    assert run("taco", [tmp_path], tmp_path / ".out1", split="test").one()["statement"] == "Print the letter x."
    assert run("taco", [tmp_path], tmp_path / ".out2", split="train").counts.rows_in == 1


def test_gzipped_lines_are_read(tmp_path: Path) -> None:
    """JSONL may be gzipped, as HumanEval's is."""
    row = {"task_id": "T/0", "prompt": "def one():\n    '''Return the number one.'''\n", "entry_point": "one"}
    row |= {"canonical_solution": "    return 1\n", "test": "def check(candidate):\n    assert candidate() == 1\n"}
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(row).encode()))
    result = run("humaneval", [path], tmp_path / "out", split="test")
    assert (result.one()["function_name"], result.one()["n_tests"]) == ("one", 1)
    assert result.rows("tests")[0]["expected"] == "1"


def test_no_room_to_set_rows_aside_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full or missing folder for temporary files is said, with what to do."""
    path = raw.parquet(tmp_path / "rows.parquet", [raw.taco()])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(StoreError, match="set TMPDIR"):
        run("taco", [path], tmp_path / "out")


def test_hashes_name_every_raw_file(tmp_path: Path) -> None:
    """The hashes of raw data change with a file's content and carry its relative name."""
    raw.parquet(tmp_path / "raw" / "a.parquet", [raw.taco()])
    before = hash_of_raw([tmp_path / "raw"])
    raw.parquet(tmp_path / "raw" / "a.parquet", [raw.taco(name="x")])
    assert before.keys() == {"a.parquet"}
    assert hash_of_raw([tmp_path / "raw"]) != before
    with pytest.raises(InputError, match="does not exist"):
        hash_of_raw([tmp_path / "absent"])


def test_the_data_sets_keep_their_order() -> None:
    """Names are partition keys: the order is part of the contract."""
    assert list(SOURCES) == [
        *("taco", "apps", "code_contests", "codeforces", "leetcode", "kattis", "own"),
        *("livecodebench", "mbpp", "humaneval"),
    ]
