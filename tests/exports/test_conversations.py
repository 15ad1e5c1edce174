"""Exports for supervised training: exact columns, every row kept or counted, readable by the trainers' own readers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from ocr_pipeline.errors import OptionError
from ocr_pipeline.exports.options import Format
from ocr_pipeline.tables import CLEAN_PROBLEMS, CRITIQUES
from tests.exports.tables import OUTPUT, STATEMENT, problem, put, put_sft, run, sft

FORMATS = ("messages", "prompt-completion", "sharegpt", "ocr", "ocr2")
CPP = {"language": "cpp", "sample_id": "c1", "solution": "int main() {}", "output": "<think>x</think>\nint main() {}"}


def read(folder: Path) -> list[dict[str, Any]]:
    """Return every row of every file of an export."""
    found = [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jsonl"))]
    return found + [json.loads(line) for text in texts for line in text.split("\n") if line]


def test_messages(tmp_path: Path) -> None:
    """A chat of one question, which names the language, and the whole answer."""
    path = put_sft(tmp_path, sft())
    run("export", path, "--format", "messages", "--out", tmp_path / "out")
    (row,) = read(tmp_path / "out")
    user, assistant = row["messages"]
    assert (user["role"], assistant["role"]) == ("user", "assistant")
    assert STATEMENT in user["content"]
    assert "Python" in user["content"]
    assert assistant["content"] == OUTPUT
    assert (row["problem_id"], row["pass_rate"], row["model"]) == ("code_contests/train/0", 1.0, "r1")


def test_prompt_completion(tmp_path: Path) -> None:
    """Question and answer are columns of their own, in turns, so that a trainer masks the question."""
    run("export", put_sft(tmp_path, sft()), "--format", "prompt-completion", "--out", tmp_path / "out")
    (row,) = read(tmp_path / "out")
    assert [turn["role"] for turn in row["prompt"] + row["completion"]] == ["user", "assistant"]
    assert row["completion"][0]["content"] == OUTPUT


def test_sharegpt(tmp_path: Path) -> None:
    """LLaMA-Factory finds the file and its columns through dataset_info.json."""
    run("export", put_sft(tmp_path, sft()), "--format", "sharegpt", "--out", tmp_path / "out")
    (row,) = read(tmp_path / "out")
    assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"]
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())["ocr_pipeline"]
    assert (info["formatting"], info["columns"]["messages"]) == ("sharegpt", "conversations")
    assert (tmp_path / "out" / info["file_name"]).exists()


def test_the_released_columns(tmp_path: Path) -> None:
    """All are text; a statement that may not be handed on is ``-`` beside the index that joins it."""
    withheld = sft(2, problem_id="taco/train/2", dataset="taco", input="-", sample_id="w")
    account = run("export", put_sft(tmp_path, sft(1), withheld), "--format", "ocr", "--out", tmp_path / "out")
    assert account["kept"] == 2
    whole, joined = (pq.read_table(tmp_path / "out" / f"split_{number}.parquet") for number in (0, 1))
    names = ["id", "input", "output", "source", "license", "dataset", "split", "difficulty", "solution"]
    assert whole.column_names == names
    assert joined.column_names == [*names, "index"]
    assert {str(field.type) for field in [*whole.schema, *joined.schema]} == {"string"}
    assert (joined["input"].to_pylist(), joined["index"].to_pylist()) == (["-"], ["2"])


def test_the_columns_of_the_second_release(tmp_path: Path) -> None:
    """Each language is a split; a row that was not run has the pass rate -1."""
    path = put_sft(tmp_path, sft(1, pass_rate=None), sft(2, **CPP))
    run("export", path, "--format", "ocr2", "--out", tmp_path / "out")
    python, cpp = (pq.read_table(tmp_path / "out" / f"{name}.parquet") for name in ("python", "cpp"))
    assert python.column_names == [
        "question", "r1_generation", "qwq_critique", "solution", "judgement", "pass_rate", "source", "license", "dataset",
        "split", "difficulty", "index", "id", "question_id", "agrees",
    ]  # fmt: skip
    assert {str(field.type) for field in python.schema} == {"string"}
    assert (python["pass_rate"].to_pylist(), cpp["pass_rate"].to_pylist()) == (["-1"], ["1.0"])
    assert cpp["solution"].to_pylist() == ["int main() {}"]


def review(sample: int, kind: str, **values: Any) -> dict[str, Any]:
    """Return a row of critiques of a sample of the data set."""
    plain = {
        "sample_id": f"s{sample:04}",
        "kind": kind,
        "problem_id": f"code_contests/train/{sample}",
        "language": "python",
        "model": "critic",
        "judgement": "none",
        "execution": "accepted",
        "verdict": "kept",
    }
    return plain | values


REVIEWS = (
    review(1, "critique", critique="Good.", judgement="right", agrees=True),
    review(1, "explain", verdict="not_failed"),
    review(2, "critique", critique="Bad.", judgement="wrong", agrees=False),
    review(3, "critique", critique="Hm.", verdict="unreadable_judgement"),
    review(3, "explain", critique="It adds."),
)


def test_critiques_stand_beside_what_they_review(tmp_path: Path) -> None:
    """The critic's words, its judgement, and whether the tests agree; rows without a readable one have empty columns."""
    path = put_sft(tmp_path, *map(sft, range(1, 5)))
    put(tmp_path, CRITIQUES, list(REVIEWS))
    account = run("export", tmp_path, "--format", "ocr2", "--out", tmp_path / "out")
    assert (account["kept"], path.exists()) == (4, True)
    names = ("qwq_critique", "judgement", "agrees")
    assert [tuple(row[name] for name in names) for row in read(tmp_path / "out")] == [
        ("Good.", "right", "true"),
        ("Bad.", "wrong", "false"),
        ("", "", ""),
        ("", "", ""),
    ]


@pytest.mark.parametrize(
    ("options", "kept", "dropped"),
    [
        (["--reviewed", "reviewed"], ["Good.", "Bad."], {"no_critique": 2}),
        (["--reviewed", "agreeing"], ["Good."], {"critic_disagrees": 1, "no_critique": 2}),
        (["--reviewed", "reviewed", "--critique-kind", "explain"], ["It adds."], {"no_critique": 3}),
    ],
)
def test_rows_are_chosen_by_their_critiques(
    options: list[str], kept: list[str], dropped: dict[str, int], tmp_path: Path
) -> None:
    """What a critic is trained on: what was reviewed, or only where the tests agree; the others are counted."""
    path = put_sft(tmp_path, *map(sft, range(1, 5)))
    critiques = put(tmp_path / "said", CRITIQUES, list(REVIEWS))
    account = run("export", path, "--critiques", critiques, "--format", "ocr2", *options, "--out", tmp_path / "out")
    assert [row["qwq_critique"] for row in read(tmp_path / "out")] == kept
    assert account["dropped"] == dropped


def test_choosing_by_critiques_needs_some(tmp_path: Path) -> None:
    """Without any the wish is refused, in one line."""
    path = put_sft(tmp_path, sft())
    with pytest.raises(OptionError, match="--critiques"):
        run("export", path, "--format", "ocr2", "--reviewed", "agreeing", "--out", tmp_path / "out")


@pytest.mark.parametrize("form", sorted(set(Format) - {Format.OCR2}))
@pytest.mark.parametrize(
    "options", [["--reviewed", "reviewed"], ["--reviewed", "agreeing"], ["--critique-kind", "explain"]]
)
def test_only_one_format_holds_critiques(form: str, options: list[str], tmp_path: Path) -> None:
    """A wish that would do nothing is wrong usage."""
    path = put_sft(tmp_path, sft())
    critiques = put(tmp_path / "said", CRITIQUES, list(REVIEWS))
    with pytest.raises(OptionError, match="ocr2"):
        run("export", path, "--critiques", critiques, "--format", form, *options, "--out", tmp_path / "out")


def test_explanations_cannot_agree(tmp_path: Path) -> None:
    """They judge nothing, so that no row would be left."""
    path = put_sft(tmp_path, sft())
    critiques = put(tmp_path / "said", CRITIQUES, list(REVIEWS))
    given = ("--format", "ocr2", "--reviewed", "agreeing", "--critique-kind", "explain", "--out", tmp_path / "out")
    with pytest.raises(OptionError, match="agreeing"):
        run("export", path, "--critiques", critiques, *given)


@pytest.mark.parametrize("form", ["messages", "prompt-completion", "sharegpt"])
def test_withheld_statements_are_counted_unless_the_policy_is_full(form: str, tmp_path: Path) -> None:
    """A text that may not be handed on is left out, also where the data set holds it; full exports what is there."""
    path = put_sft(
        tmp_path,
        sft(1),
        sft(2, problem_id="taco/train/2", dataset="taco"),
        sft(3, problem_id="taco/train/3", dataset="taco", input="-"),
    )
    account = run("export", path, "--format", form, "--out", tmp_path / "out")
    assert account["dropped"] == {"statement_may_not_be_handed_on": 2}
    full = run("export", path, "--format", form, "--out", tmp_path / "full", "--text-policy", "full")
    assert (full["kept"], full["dropped"]) == (2, {"statement_is_withheld": 1})


def test_withheld_statements_come_from_ones_own_problems(tmp_path: Path) -> None:
    """With the user's own copy of the problems, full is whole."""
    path = put_sft(tmp_path, sft(3, problem_id="taco/train/3", dataset="taco", input="-"))
    known = put(tmp_path, CLEAN_PROBLEMS, [problem(problem_id="taco/train/3", statement="Ours.")])
    options = ("--format", "messages", "--text-policy", "full", "--problems", known, "--prompt", "statement")
    run("export", path, *options, "--out", tmp_path / "out")
    assert read(tmp_path / "out")[0]["messages"][0]["content"] == "Ours."


def test_odd_rows_are_counted(tmp_path: Path) -> None:
    """Rows that lack an answer or a statement are dropped one by one; null numbers and empty words are no reason."""
    lines = [
        sft(1, output=None),
        sft(2, input=""),
        sft(3, output=" \n"),
        sft(4, reasoning_tokens=None, difficulty=None, source=None, pass_rate=None),
        {"input": STATEMENT, "output": OUTPUT, "dataset": "own"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    account = run("export", path, "--format", "messages", "--out", tmp_path / "out")
    assert (account["kept"], account["dropped"]) == (2, {"no_output": 2, "no_statement": 1})


def test_a_language_is_no_path(tmp_path: Path) -> None:
    """Rows of a language that nobody knows, or of a pass rate that is no number, stay inside the folder."""
    path = put_sft(tmp_path, sft(1, language="../../x", pass_rate=float("nan")))
    run("export", path, "--format", "ocr2", "--out", tmp_path / "deep" / "out")
    assert [one.name for one in (tmp_path / "deep" / "out").iterdir()] == ["other.parquet"]
    assert read(tmp_path / "deep" / "out")[0]["pass_rate"] == "-1"


def test_rows_that_name_no_data_set_are_ones_own(tmp_path: Path) -> None:
    """No licence forbids them; a data set that nobody knows is not handed on."""
    nobodys = sft(1, dataset="", problem_id="p1")
    unknown = sft(2, dataset="somebodys", problem_id="p2")
    account = run("export", put_sft(tmp_path, nobodys, unknown), "--format", "messages", "--out", tmp_path / "out")
    assert (account["kept"], account["dropped"]) == (1, {"statement_may_not_be_handed_on": 1})


def test_only_one_language(tmp_path: Path) -> None:
    """Rows of the other language have a reason of their own."""
    path = put_sft(tmp_path, sft(1), sft(2, **CPP))
    account = run("export", path, "--format", "messages", "--out", tmp_path / "out", "--language", "cpp")
    assert (account["kept"], account["dropped"]) == (1, {"other_language": 1})
    assert "C++17" in read(tmp_path / "out")[0]["messages"][0]["content"]


def test_the_teachers_words_need_the_problems(tmp_path: Path) -> None:
    """Only a problem says whether a function is asked for; with it the prompt is the teacher's."""
    path = put_sft(tmp_path, sft(1))
    with pytest.raises(OptionError, match="--problems"):
        run("export", path, "--format", "messages", "--out", tmp_path / "out", "--prompt", "teacher")
    called = problem("1", io_mode="function", function_name="solve", starter_code="def solve(a):")
    known = put(tmp_path, CLEAN_PROBLEMS, [called])
    options = ("--prompt", "teacher", "--problems", known)
    run("export", path, "--format", "messages", "--out", tmp_path / "out", *options)
    assert "def solve(a):" in read(tmp_path / "out")[0]["messages"][0]["content"]


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_rows_give_the_same_bytes(form: str, tmp_path: Path) -> None:
    """Two exports of one input are equal; an empty input gives an empty file."""
    path = put_sft(tmp_path, *(sft(number) for number in range(200)))
    hashes = []
    for name in ("a", "b"):
        run("export", path, "--format", form, "--out", tmp_path / name)
        written = sorted((tmp_path / name).iterdir())
        hashes.append([(one.name, hashlib.sha256(one.read_bytes()).hexdigest()) for one in written])
    assert hashes[0] == hashes[1]
    empty = run("export", put_sft(tmp_path / "none"), "--format", form, "--out", tmp_path / "empty")
    assert (empty["rows_in"], len(list((tmp_path / "empty").iterdir())) > 0) == (0, True)


def test_a_folder_that_holds_the_table(tmp_path: Path) -> None:
    """A data root, a table's folder and a command's output folder are all a place to export from."""
    put_sft(tmp_path / "root" / "sft_dataset" / "dataset=own" / "language=python", sft(1))
    put_sft(tmp_path / "output", sft(1))
    for place in ("root", "root/sft_dataset", "output"):
        account = run("export", tmp_path / place, "--format", "messages", "--out", tmp_path / "out")
        assert account["kept"] == 1


@pytest.mark.parametrize("form", FORMATS)
def test_the_readers_of_tables_read_each_form(form: str, tmp_path: Path) -> None:
    """datasets, pandas, Polars and DuckDB read what was written, nested turns included."""
    import datasets

    out = tmp_path / "out"
    run("export", put_sft(tmp_path, sft(1), sft(2)), "--format", form, "--out", out)
    (path,) = (one for one in out.iterdir() if one.suffix in {".parquet", ".jsonl"})
    kind = "parquet" if path.suffix == ".parquet" else "json"
    loaded = datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == 2
    if kind == "parquet":
        assert len(pd.read_parquet(path)) == len(pl.read_parquet(path)) == 2
        assert duckdb.sql(f"select count(*) from '{path}'").fetchall() == [(2,)]
    else:
        assert len(pd.read_json(path, lines=True)) == len(pl.read_ndjson(path)) == 2


@pytest.mark.slow
def test_trl_takes_the_rows_for_conversations(tmp_path: Path) -> None:
    """TRL's own reader sees turns, and a loss on the completion alone where there is one."""
    from trl.data_utils import is_conversational

    path = put_sft(tmp_path, sft())
    for form in ("messages", "prompt-completion"):
        run("export", path, "--format", form, "--out", tmp_path / form)
        assert is_conversational(read(tmp_path / form)[0])
