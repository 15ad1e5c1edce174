"""Judging a table: one row per sample, in order; results survive a kill and are never made twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.errors import InputError
from ocr_pipeline.judge import AssertProblem, JudgeConfig, assert_tests, judge, step, tasks
from ocr_pipeline.judge.checkpoint import FILE
from ocr_pipeline.judge.lending import KeptRows
from ocr_pipeline.judge.spool import Shelf
from ocr_pipeline.judge.verdicts import ProblemSpec

SUM = "print(sum(map(int, input().split())))"
PROBLEMS = pa.table({"problem_id": ["sum", "empty", "special"], "checker": ["tokens", "tokens", "special"]})
TESTS = pa.table(
    {
        "problem_id": ["sum", "special", "sum"],
        "test_id": ["000000", "000000", "000001"],
        "input": ["1 2", "1", "3 4"],
        "expected": ["3", "1", "7"],
    }
)


def samples(*programs: tuple[str, str, str]) -> pa.Table:
    """Return samples of problem, language and code."""
    return pa.table(
        {
            "sample_id": [f"s{number}" for number in range(len(programs))],
            "problem_id": [problem for problem, _, _ in programs],
            "language": [language for _, language, _ in programs],
            "code": pa.array([code for _, _, code in programs], pa.large_string()),
        }
    )


def run(table: pa.Table, *, checkpoint: Path | None = None, workers: int = 0) -> tuple[list[dict[str, Any]], Any]:
    """Judge a table."""
    rows = KeptRows()
    config = JudgeConfig(workers=workers)
    counts = judge(
        PROBLEMS.to_batches(), all_tests, table.to_batches(), config=config, writer=rows, checkpoint=checkpoint
    )
    return rows.table.to_pylist(), counts


def all_tests(_: Collection[str]) -> list[pa.RecordBatch]:
    """Give all tests, whatever is asked for."""
    return TESTS.to_batches()


def test_every_sample_gets_a_row_in_its_order() -> None:
    """Judged or not; rates are null where nothing was run."""
    table = samples(
        ("special", "python", "print(1)"), ("sum", "python", SUM), ("empty", "python", SUM), ("sum", "python", "print(3)"),
        ("sum", "python", ""), ("nowhere", "python", SUM), ("sum", "python", SUM),
    )  # fmt: skip
    rows, counts = run(table)
    assert [row["sample_id"] for row in rows] == [f"s{number}" for number in range(7)]
    assert [row["verdict"] for row in rows] == [
        "accepted", "accepted", "not_run", "wrong_answer", "not_run", "not_run", "accepted",
    ]  # fmt: skip
    assert [row["pass_rate"] for row in rows] == [1.0, 1.0, None, 0.5, None, None, 1.0]
    assert rows[3]["first_failed_test"] == "000001"
    assert [row["needs_checker"] for row in rows][:2] == [True, False]
    assert (counts.rows_in, counts.kept) == (7, 4)
    assert counts.dropped == {"no_code": 1, "no_tests": 1, "no_problem": 1}
    assert counts.notes["results reused"] == 1


def test_processes_give_the_same_rows() -> None:
    """Two workers and none agree but for the times."""
    table = samples(
        *[("sum", "python", f"{SUM}\n# {number}") for number in range(9)], ("special", "python", "print(2)")
    )
    plain = [{**row, "cpu_time_s": 0, "peak_memory_mib": 0, "results": 0} for row in run(table)[0]]
    spread = [{**row, "cpu_time_s": 0, "peak_memory_mib": 0, "results": 0} for row in run(table, workers=2)[0]]
    assert plain == spread


def test_rows_keep_the_order_of_the_samples_whatever_is_done_first() -> None:
    """Problems that may take long are judged first, and a slow first sample ends last."""
    slow = "import time\ntime.sleep(0.5)\n" + SUM
    problems = pa.table({"problem_id": ["sum", "special"], "time_limit_s": [1.0, 1.0], "n_tests": [2, 200]})
    table = samples(("sum", "python", slow), *[("sum", "python", f"{SUM}\n# {number}") for number in range(5)],
                    ("special", "python", "print(1)"))  # fmt: skip
    asked: list[str] = []

    def tests(ids: Collection[str]) -> list[pa.RecordBatch]:
        asked.extend(ids)
        return TESTS.to_batches()

    rows = KeptRows()
    judge(problems.to_batches(), tests, table.to_batches(), config=JudgeConfig(workers=2), writer=rows)
    assert [row["sample_id"] for row in rows.table.to_pylist()] == [f"s{number}" for number in range(7)]
    assert [row["verdict"] for row in rows.table.to_pylist()] == ["accepted"] * 7
    assert asked == ["special", "sum"]


def test_tests_are_asked_for_in_the_order_of_their_problems_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order of the samples: what is together in a file is read together, a bounded number at a time."""
    monkeypatch.setattr(step, "FIRST_SHELF", 3)
    names = [f"p{number:02}" for number in range(20)]
    problems = pa.table({"problem_id": names})
    asked: list[list[str]] = []

    def tests(ids: Collection[str]) -> list[pa.RecordBatch]:
        asked.append(list(ids))
        return []

    table = samples(*[(name, "python", SUM) for name in names[::-1] + names[3:5]])
    judge(problems.to_batches(), tests, table.to_batches(), config=JudgeConfig(workers=0), writer=KeptRows())
    assert [name for ids in asked for name in ids] == names
    assert [len(ids) for ids in asked] == [3, 6, 11]


class Shown:
    """A progress that counts."""

    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None

    def advance(self, rows: int = 1, **counts: float) -> None:  # noqa: ARG002 - of the protocol
        """Count."""
        self.done += rows

    def expect(self, rows: int | None) -> None:
        """Note the total."""
        self.total = rows


def test_progress_counts_samples_that_are_judged(tmp_path: Path) -> None:
    """Each once: new ones, equal ones, known ones, and those of no problem."""
    table = samples(
        ("sum", "python", SUM), ("sum", "python", SUM), ("nowhere", "python", SUM), ("empty", "python", SUM)
    )
    for _ in range(2):
        shown = Shown()
        judge(PROBLEMS.to_batches(), all_tests, table.to_batches(), config=JudgeConfig(workers=0), writer=KeptRows(),
              checkpoint=tmp_path, progress=shown)  # fmt: skip
        assert (shown.done, shown.total) == (4, 4)


def test_a_second_run_judges_nothing_again(tmp_path: Path) -> None:
    """Finished results are taken from the checkpoint, times included."""
    table = samples(("sum", "python", SUM), ("sum", "python", "print(1)"))
    first, _ = run(table, checkpoint=tmp_path)
    second, counts = run(table, checkpoint=tmp_path)
    assert first == second
    assert counts.notes["results reused"] == 2


def test_a_changed_test_is_judged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are keyed by what they depend on."""
    table = samples(("sum", "python", SUM))
    run(table, checkpoint=tmp_path)
    changed = TESTS.set_column(3, "expected", pa.array(["4", "1", "7"]))
    monkeypatch.setattr(sys.modules[__name__], "TESTS", changed)
    rows, counts = run(table, checkpoint=tmp_path)
    assert rows[0]["verdict"] == "wrong_answer"
    assert counts.notes["results reused"] == 0


def test_a_language_whose_canaries_fail_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second try in a new sandbox; nothing of it is kept, so that the next run judges."""
    tries = []
    monkeypatch.setattr(tasks, "failing_canary", lambda *_: tries.append(1) or "canary: on fire")
    rows, counts = run(samples(("sum", "python", SUM)), checkpoint=tmp_path)
    assert (rows[0]["verdict"], rows[0]["pass_rate"], rows[0]["detail"]) == ("not_run", None, "canary: on fire")
    assert counts.dropped == {"infrastructure": 1}
    assert len(tries) == 2
    monkeypatch.undo()
    assert run(samples(("sum", "python", SUM)), checkpoint=tmp_path)[0][0]["verdict"] == "accepted"


def test_rows_say_what_ran_them() -> None:
    """Each row has the tier and the version of the interpreter."""
    row = run(samples(("sum", "python", SUM)))[0][0]
    assert row["sandbox_tier"] in {"A", "B"}
    assert row["runtime"].startswith("Python 3.")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_run_loses_nothing_and_judges_nothing_twice(tmp_path: Path, workers: int) -> None:
    """Killed after some results, nothing of it goes on, and the next run makes only the others."""
    slow = "import time\ntime.sleep(0.2)\n" + SUM
    table = samples(*[("sum", "python", f"{slow}\n# {number}") for number in range(12)])
    for name, rows in (("problems", PROBLEMS), ("tests", TESTS), ("samples", table)):
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    arguments = [f"--{name}={tmp_path / name}.parquet" for name in ("problems", "tests", "samples")]
    code = "from ocr_pipeline.cli import main; import sys; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "judge", *arguments, f"--out={tmp_path}", f"--workers={workers}"],
        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    database = tmp_path / ".judge" / FILE
    while process.poll() is None and stored(database) < 3:
        os.sched_yield()
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while session(process.pid) and time.monotonic() < deadline:
        os.sched_yield()
    assert session(process.pid) == []
    before = stored(database)
    assert 3 <= before < 12
    assert not (tmp_path / "executions.parquet").exists()
    rows, counts = run(table, checkpoint=tmp_path / ".judge")
    assert counts.notes["results reused"] == before
    assert [row["verdict"] for row in rows] == ["accepted"] * 12


def session(leader: int) -> list[str]:
    """Return the processes of a session: workers, templates and jails."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(entry.parent.name)
    return found


def stored(database: Path) -> int:
    """Count the stored results."""
    if not database.exists():
        return 0
    connection = sqlite3.connect(database)
    try:
        return int(connection.execute("SELECT count(*) FROM executions").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_benchmark_asserts_become_problems_and_tests() -> None:
    """The adapter's rows are judged like any others."""
    problems, tests = assert_tests([AssertProblem("bench/1", "def check(f):\n    assert f(2) == 4", "double")])
    table = samples(
        ("bench/1", "python", "def double(n):\n    return 2 * n"), ("bench/1", "python", "def double(n): return n")
    )
    rows = KeptRows()
    judge(problems.to_batches(), lambda _: tests.to_batches(), table.to_batches(), config=JudgeConfig(), writer=rows)
    assert [row["verdict"] for row in rows.table.to_pylist()] == ["accepted", "wrong_answer"]


def test_the_command_reads_files_and_prints_counts(tmp_path: Path) -> None:
    """Files in, one table out; the row says how it was isolated."""
    app = build_app(["judge"])
    pq.write_table(PROBLEMS, tmp_path / "problems.parquet")
    pq.write_table(samples(("sum", "python", SUM)), tmp_path / "samples.parquet")
    lines = [json.dumps(row) for row in TESTS.to_pylist()]
    (tmp_path / "tests.jsonl").write_text("\n".join(lines), encoding="utf-8")
    arguments = ["judge", "--problems", str(tmp_path / "problems.parquet"), "--tests", str(tmp_path / "tests.jsonl"),
                 "--samples", str(tmp_path / "samples.parquet"), "--out", str(tmp_path), "--json", "--workers", "0",
                 "--tiers", "unsandboxed"]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["kept"] == 1
    row = pq.read_table(tmp_path / "executions.parquet").to_pylist()[0]
    assert (row["verdict"], row["sandbox_tier"]) == ("accepted", "C")


TEST_TEXTS = {"problem_id": ["sum"], "test_id": ["0"], "input": ["1 2"], "expected": ["3"]}
WORDS = pa.array([["3"]])


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("expected", pa.array([None], pa.string()), "holds 1 nulls"),
        ("expected", WORDS, "is list"),
        ("input", pa.array([b"\xff\xfe"]), "is binary"),
        ("test_id", pa.array([{"a": 1}]), "is struct"),
        ("problem_id", WORDS, "is list"),
        ("expected", pa.array([3]), None),
        ("test_id", pa.array([0]), None),
        ("input", pa.array([b"1 2"]), None),
        ("input", pa.array(["1 2"]).dictionary_encode(), None),
        ("expected", pa.array([3.0]), None),
    ],
    ids=[
        "null",
        "list",
        "not text",
        "struct",
        "ids as lists",
        "integer",
        "integer ids",
        "bytes",
        "dictionary",
        "float",
    ],
)
@pytest.mark.parametrize("table", ["tests", "solutions"])
def test_columns_of_other_types_are_read_or_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, column: str, values: pa.Array, message: str | None
) -> None:
    """One line that names file, column and type."""
    tables = {
        "problems": PROBLEMS,
        "samples": samples(("sum", "python", SUM)),
        "tests": pa.table(TEST_TEXTS),
        "solutions": pa.table({"problem_id": ["sum"], "solution_id": ["0"], "language": ["python"], "code": [SUM],
                               "is_correct": [True]}),
    }  # fmt: skip
    changed = (
        {"test_id": "solution_id", "input": "code", "expected": "language"}.get(column, column)
        if table == "solutions"
        else column
    )
    place = tables[table].schema.get_field_index(changed)
    tables[table] = tables[table].set_column(place, changed, values)
    for name, rows in tables.items():
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    if message:
        monkeypatch.setattr(step, "Spool", None)  # anything that runs fails
    arguments = [part for name in tables for part in (f"--{name}", str(tmp_path / f"{name}.parquet"))]
    result = CliRunner().invoke(build_app(), ["judge", *arguments, "--out", str(tmp_path / "out"), "--workers", "0"])
    if message is None:
        assert result.exit_code == 0, result.output
    else:
        assert isinstance(result.exception, InputError)
        assert f"column `{changed}`" in str(result.exception)
        assert message in str(result.exception)


def test_a_batch_without_a_wanted_test_is_passed_over() -> None:
    """Whoever looks tests up may give others too, also a whole batch of them."""
    others = pa.table(TESTS.slice(0, 1)).set_column(
        TESTS.schema.get_field_index("problem_id"), "problem_id", pa.array(["another"])
    )
    rows = KeptRows()
    judge(
        PROBLEMS.to_batches(),
        lambda _: [*others.to_batches(), *TESTS.to_batches()],
        samples(("sum", "python", SUM)).to_batches(),
        config=JudgeConfig(),
        writer=rows,
    )
    assert [row["verdict"] for row in rows.table.to_pylist()] == ["accepted"]


def test_rows_of_files_without_an_index_are_found_by_their_problem() -> None:
    """In their order, with their types, and only those of the problems that are asked for."""
    schema = pa.schema([("problem_id", pa.string()), ("code", pa.large_string()), ("is_correct", pa.bool_())])
    rows = [{"problem_id": name, "code": code, "is_correct": code == "1"} for name, code in ("b1", "a2", "b3", "c4")]
    with Shelf(schema) as shelf:
        for row in rows:
            shelf.add(pa.RecordBatch.from_pylist([row], schema=schema))
        found = [row for batch in shelf.of(["b", "a", "nowhere"]) for row in batch.to_pylist()]
    assert found == [rows[0], rows[2], rows[1]]


def test_a_file_of_lines_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lookups there are."""
    from ocr_pipeline.store import files

    read: list[Path] = []
    inner = files._json_lines
    monkeypatch.setattr(step, "FIRST_SHELF", 1)
    monkeypatch.setattr(step, "LARGEST_SHELF", 1)
    monkeypatch.setattr(files, "_json_lines", lambda path, *more: read.append(path) or inner(path, *more))
    names = ["a", "b", "c"]
    tables: dict[str, list[dict[str, Any]]] = {
        "problems": [{"problem_id": name} for name in names],
        "tests": [{"problem_id": name, "test_id": "0", "input": "1 2", "expected": "3"} for name in names],
        "samples": [{"sample_id": name, "problem_id": name, "language": "python", "code": SUM} for name in names],
    }
    arguments = ["judge", "--workers", "0", "--out", str(tmp_path / "out")]
    for table, rows in tables.items():
        path = tmp_path / f"{table}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        arguments += [f"--{table}", str(path)]
    done = CliRunner().invoke(build_app(), arguments)
    assert done.exit_code == 0, done.output
    assert pq.read_table(tmp_path / "out" / "executions.parquet")["verdict"].to_pylist() == ["accepted"] * 3
    assert [path.name for path in read].count("tests.jsonl") == 1


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("time_limit_s", -1.0, "got -1"), ("time_limit_s", 0.0, "got 0"), ("time_limit_s", float("nan"), "got nan"),
     ("memory_limit_mib", 1e15, "got 1e\\+15")],
)  # fmt: skip
def test_a_limit_that_no_program_can_have_is_refused_by_name(column: str, value: float, said: str) -> None:
    """Not blamed on programs, and not a traceback from the sandbox."""
    with pytest.raises(InputError, match=rf"problem `p`: {column} must be above 0 and at most .*, {said}"):
        ProblemSpec("p", **{column: value})  # type: ignore[arg-type]
