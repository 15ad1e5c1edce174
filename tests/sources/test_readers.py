"""Each reader: the hub's schema, its renderings, and what is special about the data set."""

from __future__ import annotations

import base64
import json
import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.errors import InputError
from ocr_pipeline.sources import SOURCES
from ocr_pipeline.sources.rules import Reason, Repair, Suspicion
from tests.sources import rows as raw
from tests.sources.rows import run

DATA = Path(os.environ.get("OCR_REAL_DATA", "../shared/data"))
REAL = [
    ("apps", "apps/apps_hub_schema.parquet", 5, {}),
    ("apps", "apps/folders", 5, {}),
    ("apps", "apps/test_example_io.parquet", 0, {"empty_statement": 5_000}),
    ("taco", "taco/test_statements.parquet", 1_000, {}),
    ("code_contests", "code_contests/test_165.parquet", 165, {}),
    ("code_contests", "code_contests/full_tests_20.parquet", 20, {}),
    ("codeforces", "codeforces/test_408.parquet", 408, {}),
    ("leetcode", "leetcode/v0_3_1_test.parquet", 228, {}),
    ("livecodebench", "benchmarks/livecodebench_v5_2408_2502.parquet", 279, {}),
    ("mbpp", "benchmarks/mbpp.parquet", 974, {}),
    ("humaneval", "benchmarks/humaneval.parquet", 164, {}),
    ("kattis", "judge_packages", 20, {}),
]


@pytest.mark.parametrize(("dataset", "path", "kept", "dropped"), REAL)
def test_real_rows_are_accounted_for(
    dataset: str, path: str, kept: int, dropped: dict[str, int], tmp_path: Path
) -> None:
    """Every real row is a problem or has a reason."""
    if not (DATA / path).exists():
        pytest.skip(f"no real rows at {DATA / path}: set OCR_REAL_DATA")
    counts = run(dataset, [DATA / path], tmp_path, split="test").counts
    assert (counts.kept, dict(counts.dropped)) == (kept, dropped)


def test_both_forms_of_apps_give_the_same_bytes(tmp_path: Path) -> None:
    """A folder per problem and the hub's columns are two spellings of the same rows."""
    row = raw.apps()
    folder = tmp_path / "folders" / "0007"
    folder.mkdir(parents=True)
    for name, column in (
        ("question.txt", "question"),
        ("solutions.json", "solutions"),
        ("input_output.json", "input_output"),
    ):
        (folder / name).write_text(row[column], encoding="utf-8")
    metadata = {"difficulty": row["difficulty"], "url": row["url"]}
    (folder / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    one = run("apps", [raw.parquet(tmp_path / "rows.parquet", [row])], tmp_path / "out1")
    assert one.bytes() == run("apps", [tmp_path / "folders"], tmp_path / "out2").bytes()


def test_tests_that_the_statement_shows_are_examples(tmp_path: Path) -> None:
    """APPS does not say which of its tests are examples; the statement does, whatever the white space."""
    question = "Double the integer.\n\nSample Input\n\n2\n\nSample Output\n\n4\n"
    tests = json.dumps({"inputs": ["2 \n", "3\n"], "outputs": ["4", "6"]})
    row = raw.apps(question=question, input_output=tests)
    result = run("apps", [raw.parquet(tmp_path / "rows.parquet", [row])], tmp_path / "out")
    assert [test["kind"] for test in result.rows("tests")] == ["example", "private"]


def test_a_contest_row_in_normal_form(tmp_path: Path) -> None:
    """Limits, tests by kind, languages and the suspicion of generated tests come out of the structs."""
    result = run("code_contests", [raw.parquet(tmp_path / "rows.parquet", [raw.contest()])], tmp_path / "out")
    problem = result.one()
    assert problem["problem_id"] == "code_contests/train/77_A. Shelves"
    assert (problem["time_limit_s"], problem["memory_limit_mib"], problem["rating"]) == (2.5, 256.0, 1500)
    assert (problem["site"], problem["difficulty"], problem["io_mode"]) == ("codeforces", "A", "stdin")
    assert [test["kind"] for test in result.rows("tests")] == ["public", "private", "generated", "generated"]
    assert result.rows("tests")[3]["suspicions"] == [Suspicion.DUPLICATE]
    solutions = [(row["language"], row["code"], row["is_correct"]) for row in result.rows("solutions")]
    assert solutions == [("python", "print(1)\n", True), ("python2", "print 1", True), ("cpp", "int main(){}", False)]


def test_contest_rows_are_the_same_from_lines_and_from_parquet(tmp_path: Path) -> None:
    """The fast path over Arrow arrays and the plain one give the same bytes."""
    empty = {"input": [], "output": []}
    none = dict.fromkeys(("public_tests", "private_tests", "generated_tests"), empty)
    bad = raw.contest(name="uneven", public_tests={"input": ["1"], "output": []})
    files = raw.contest(name="files", input_file="shelves.in", output_file="../out", time_limit=None)
    rows = [raw.contest(), bad, files, raw.contest(name="none", **none)]
    one = run("code_contests", [raw.parquet(tmp_path / "rows.parquet", rows)], tmp_path / "out1")
    two = run("code_contests", [raw.json_lines(tmp_path / "rows.jsonl", rows)], tmp_path / "out2")
    for table in ("problems", "tests", "solutions"):
        assert one.rows(table) == two.rows(table)
    assert one.counts.dropped == two.counts.dropped == {"mismatched_counts": 1}
    problem = next(row for row in one.rows("problems") if row["native_id"] == "files")
    assert (problem["io_mode"], problem["input_file"], problem["output_file"]) == ("file", "shelves.in", None)
    assert "unreadable_file_name" in problem["repairs"]


@pytest.mark.parametrize(
    ("changes", "site"),
    [
        ([{"source": 6, "difficulty": 1}, {"source": 7, "difficulty": 1}], "atcoder"),
        ([{"source": 6, "difficulty": 1}, {"source": 5, "difficulty": 1}], "aizu"),
        ([{"source": 6, "difficulty": 1}, {"source": 2, "difficulty": 19, "cf_index": "L"}], "atcoder"),
        ([{"source": 6, "difficulty": 1}, {"source": 2, "difficulty": 19, "cf_index": "M"}], "aizu"),
        ([{"source": 6, "difficulty": 1}, {"source": 1, "difficulty": 1}], None),
        ([{"source": "ATCODER", "difficulty": "HARD"}, {"source": "AIZU", "difficulty": "HARD"}], "atcoder"),
    ],
)
def test_the_numbering_of_enums_is_found_out(changes: list[dict[str, Any]], site: str | None, tmp_path: Path) -> None:
    """Proto numbers and dense ones are told apart by the values of the file; what stays open is null."""
    rows = [raw.contest(name=f"problem {number}", **change) for number, change in enumerate(changes)]
    result = run("code_contests", [raw.parquet(tmp_path / "rows.parquet", rows)], tmp_path / "out")
    first = result.rows("problems")[0]
    assert first["site"] == site
    assert (Repair.UNKNOWN_ENUM in first["repairs"]) == (site is None)


def test_the_names_of_a_class_label_decide(tmp_path: Path) -> None:
    """Names that the hub's library wrote into the schema win over any guess from values."""
    labels = {"source": {"names": ["UNKNOWN_SOURCE", "AIZU"]}, "difficulty": {"names": ["UNKNOWN_DIFFICULTY", "HARD"]}}
    table = pa.Table.from_pylist([raw.contest(source=1, difficulty=1)])
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": labels}})})
    pq.write_table(table, tmp_path / "rows.parquet")
    problem = run("code_contests", [tmp_path / "rows.parquet"], tmp_path / "out").one()
    assert (problem["site"], problem["difficulty"]) == ("aizu", "HARD")


def test_a_codeforces_statement_is_rebuilt(tmp_path: Path) -> None:
    """Description and headed sections are joined as in the released data; examples come before official tests."""
    result = run("codeforces", [raw.parquet(tmp_path / "rows.parquet", [raw.codeforces()])], tmp_path / "out")
    assert result.one()["statement"] == (
        "Count the shelves that hold a box.\n\nInput\n\nOne integer.\n\nOutput\n\nThe count."
        "\n\nExamples\n\nInput\n\n2\n\nOutput\n\n1\n\nNote\n\nBoxes are heavy."
    )
    assert [test["kind"] for test in result.rows("tests")] == ["example", "private", "private"]
    assert result.one()["contest_date"].isoformat() == "2020-01-01"


def test_codeforces_checkers_and_interaction_are_taken_over(tmp_path: Path) -> None:
    """A generated checker means a special judge, an interaction format an interactive problem."""
    row = raw.codeforces(generated_checker="print(1)", interaction_format="Ask and be told.")
    problem = run("codeforces", [raw.parquet(tmp_path / "rows.parquet", [row])], tmp_path / "out").one()
    assert (problem["checker"], problem["io_mode"]) == ("special", "interactive")


def test_generated_tests_find_their_problem_in_any_order(tmp_path: Path) -> None:
    """The table of generated tests may come first, last or shuffled; tests of unknown problems are noted."""
    problems = raw.parquet(tmp_path / "problems.parquet", [raw.codeforces()])
    tests = [{"problem_id": "77/A", "input": str(n), "output": "x"} for n in range(5)]
    tests.append({"problem_id": "99/Z", "input": "1", "output": "2"})
    one = raw.parquet(tmp_path / "one.parquet", tests)
    two = raw.parquet(tmp_path / "two.parquet", tests[::-1])
    first = run("codeforces", [one, problems], tmp_path / "out1")
    assert first.bytes() == run("codeforces", [problems, two], tmp_path / "out2").bytes()
    assert first.one()["n_tests"] == 8
    assert first.rows("tests")[-1]["suspicions"] == [Suspicion.GENERATED_WITHOUT_SOLUTION]
    assert first.counts.notes["tests_of_unknown_problems"] == 1


def packed(value: object) -> str:
    """Pack as LiveCodeBench packs its private tests."""
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


class Bomb:
    """A pickle that would make a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        """Ask for a call."""
        return (open, (str(self.path), "w"))


def test_packed_private_tests_are_read(tmp_path: Path) -> None:
    """Private tests come out of base64, zlib and a pickled text; functional ones become JSON."""
    cases = [{"input": "[1, 2]\n3", "output": "true", "testtype": "functional"}]
    row = raw.livecodebench(
        private_test_cases=packed(json.dumps(cases)),
        starter_code="class Solution:\n    def f(self, a, b):\n        ",
        metadata=json.dumps({"func_name": "f"}),
    )
    result = run("livecodebench", [raw.parquet(tmp_path / "rows.parquet", [row])], tmp_path / "out", split="test")
    assert (result.one()["function_name"], result.one()["io_mode"]) == ("f", "function")
    test = result.rows("tests")[1]
    assert (test["input"], test["expected"], test["kind"]) == ("[[1,2],3]", "true", "private")


def test_a_pickle_that_calls_code_is_refused_and_not_opened(tmp_path: Path) -> None:
    """A pickle with any global is rejected by name, and nothing in it runs."""
    row = raw.livecodebench(private_test_cases=packed(Bomb(tmp_path / "ran")))
    result = run("livecodebench", [raw.json_lines(tmp_path / "rows.jsonl", [row])], tmp_path / "out")
    assert result.counts.dropped == {Reason.FORBIDDEN_PICKLE.value: 1}
    assert not (tmp_path / "ran").exists()


def test_asserts_of_mbpp_become_calls(tmp_path: Path) -> None:
    """Assertions on JSON values become calls; with one that JSON would change, all of them stay programs."""
    row = {"task_id": 1, "text": "Write a function to add numbers.", "code": "def add(a, b):\r\n  return a + b"}
    calls = ["assert add(1, [2]) == {'a': None}", "assert True"]
    asserts = [calls[0], "assert add((1,), 2) == {1: 'x'}", "assert not add(1, b=2)"]
    rows = [row | {"test_list": calls, "challenge_test_list": []}]
    rows += [row | {"task_id": 2, "text": "Add.", "test_list": asserts, "test_setup_code": "import math"}]
    result = run("mbpp", [raw.json_lines(tmp_path / "rows.jsonl", rows)], tmp_path / "out", split="test")
    call, *programs = result.rows("tests")
    assert (call["input"], call["expected"]) == ("[1,[2]]", '{"a":null}')
    assert json.loads(programs[1]["input"]) == {"assert": f"import math\n{asserts[1]}", "entry_point": "add"}
    assert [json.loads(test["input"])["assert"].splitlines()[-1] for test in programs] == asserts
    first, second = (set(problem["repairs"]) for problem in result.rows("problems"))
    assert Repair.NEWLINES in first & second
    assert Repair.ASSERT_PROGRAM in second - first


def test_imports_and_setup_stand_before_an_assert_that_needs_them(tmp_path: Path) -> None:
    """The sanitized form brings imports for its tests; a test that is not a plain call keeps them."""
    row = raw.mbpp(prompt="Write a function to count the shelves that hold a box.", test_setup_code="import os\n")
    del row["text"]
    row |= {"test_imports": ["import math"], "test_list": ["assert math.isclose(count([1, 0]), 1)"]}
    (test,) = run("mbpp", [raw.parquet(tmp_path / "rows.parquet", [row])], tmp_path / "out").rows("tests")
    lines = [line for line in json.loads(test["input"])["assert"].splitlines() if line]
    assert lines == ["import math", "import os", "assert math.isclose(count([1, 0]), 1)"]


def test_a_problem_package_is_read(tmp_path: Path) -> None:
    """Settings, statement, tests and submissions of a package folder find each other."""
    files = {
        "problem.yaml": "name: Shelves\nlicense: cc by-sa\nvalidator_flags: float_tolerance 1e-6\nlimits:\n  memory: 512\n",
        "problem_statement/problem.en.tex": "\\problemname{Shelves}\nCount the shelves that hold a box.",
        "data/secret/2.in": "5\n",
        "data/secret/2.ans": "6\n",
        "data/sample/1.in": "1\n",
        "data/sample/1.ans": "2\n",
        "submissions/accepted/a.py": "print(1)",
        "submissions/wrong_answer/b.cpp": "int main(){}",
    }
    for name, content in files.items():
        path = tmp_path / "packages" / "shelves" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    for dataset in ("kattis", "own"):
        result = run(dataset, [tmp_path / "packages"], tmp_path / f"out_{dataset}")
        problem = result.one()
        assert (problem["title"], problem["license"], problem["memory_limit_mib"]) == ("Shelves", "cc-by-sa", 512.0)
        assert (problem["checker"], problem["float_tolerance"]) == ("case_insensitive", 1e-6)
        assert [(test["kind"], test["input"]) for test in result.rows("tests")] == [
            ("example", "1\n"),
            ("private", "5\n"),
        ]
        assert [(row["language"], row["is_correct"]) for row in result.rows("solutions")] == [
            ("python", True),
            ("cpp", False),
        ]


def test_own_tables_are_read_back(tmp_path: Path) -> None:
    """What ingest wrote can be ingested again as your own problems."""
    first = run("taco", [raw.parquet(tmp_path / "rows.parquet", [raw.taco()])], tmp_path / "taco")
    paths = [tmp_path / "taco" / f"{table}.parquet" for table in ("tests", "problems", "solutions")]
    again = run("own", paths, tmp_path / "own")
    assert again.one()["statement"] == first.one()["statement"]
    assert [test["input"] for test in again.rows("tests")] == [test["input"] for test in first.rows("tests")]
    assert again.one()["n_solutions"] == 1


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["taco", "absent.parquet"], "does not exist"),
        (["tacos", "apps.parquet"], "no data set `tacos`"),
        (["taco", "apps.parquet"], "is not a file of taco: it has the columns"),
        (["taco", "empty"], "holds no rows"),
        (["taco", "none.parquet"], "no rows"),
        (["taco", "noise.parquet"], "is not a Parquet or Arrow file"),
    ],
)
def test_bad_arguments_are_one_clear_line_and_no_output(arguments: list[str], part: str, tmp_path: Path) -> None:
    """What a person got wrong is said in one line, and nothing is left behind."""
    raw.parquet(tmp_path / "apps.parquet", [raw.apps()])
    (tmp_path / "empty").mkdir()
    pq.write_table(pa.Table.from_pylist([raw.taco()]).slice(0, 0), tmp_path / "none.parquet")
    (tmp_path / "noise.parquet").write_bytes(b"noise")
    dataset, path = arguments
    out = tmp_path / "out"
    result = CliRunner().invoke(build_app(["ingest"]), ["ingest", dataset, str(tmp_path / path), "--out", str(out)])
    assert isinstance(result.exception, InputError)
    assert part in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not list(out.glob("*")) if out.exists() else True


def test_every_rule_is_documented() -> None:
    """The table in the docs names every reason, repair and suspicion, and every source."""
    text = Path("docs/sources.md").read_text(encoding="utf-8")
    for name in (*Reason, *Repair, *Suspicion, *SOURCES):
        assert f"`{name}`" in text, name
