"""Tests of problems are measured with programs of known verdict and with mutants, by the real judge."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.quality.measuring import Flag
from ocr_pipeline.quality.metering import CPU_NOTE
from ocr_pipeline.quality.problems import Unmeasured
from ocr_pipeline.tables import TEST_QUALITY

Case = tuple[str, str]
Program = tuple[str, str, str, bool | None]

MOST = "n = int(input())\na = list(map(int, input().split()))\nprint(max(a))\n"
LAST = "n = int(input())\na = list(map(int, input().split()))\nprint(a[-1])\n"
FIRST = "n = int(input())\na = list(map(int, input().split()))\nprint(a[0])\n"
SUM = "n = int(input())\na = list(map(int, input().split()))\nprint(sum(a))\n"
MOST_CPP = """\
#include <iostream>
int main() { int n, x, m = -2000000000; std::cin >> n; while (n--) { std::cin >> x; if (x > m) m = x; } std::cout << m; }
"""
RISING: Sequence[Case] = (("3\n1 2 3\n", "3"), ("2\n4 9\n", "9"))
ANY: Sequence[Case] = (*RISING, ("3\n5 2 1\n", "5"))
PROGRAMS: Sequence[Program] = (
    ("right", "python", MOST, True),
    ("right_cpp", "cpp", MOST_CPP, True),
    ("last", "python", LAST, False),
    ("first", "python", FIRST, False),
    ("sum", "python", SUM, False),
)


def written(
    folder: Path,
    cases: Mapping[str, Sequence[Case]],
    programs: Mapping[str, Sequence[Program]],
    problems: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[str]:
    """Write the files of a command and return its words."""
    names = dict.fromkeys((*cases, *programs))
    given = {
        "problems": [{"problem_id": name, **(problems or {}).get(name, {})} for name in names],
        "tests": [
            {"problem_id": name, "test_id": f"{number:04}", "input": text, "expected": expected}
            for name, some in cases.items()
            for number, (text, expected) in enumerate(some)
        ],
        "programs": [
            {"problem_id": name, "program_id": one, "language": language, "code": code, "is_correct": right}
            for name, some in programs.items()
            for one, language, code, right in some
        ],
    }
    words = ["test-quality", "--out", str(folder / "out"), "--workers", "0", "--json"]
    for name, rows in given.items():
        path = folder / f"{name}.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        words += [f"--{name}", str(path)]
    return words


def measure(
    folder: Path,
    cases: Mapping[str, Sequence[Case]],
    programs: Mapping[str, Sequence[Program]],
    *options: str,
    problems: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Run the command and return the row of each problem and the account."""
    words = written(folder, cases, programs, problems)
    done = CliRunner().invoke(build_app(["test-quality"]), [*words, *options])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    table = pq.read_table(folder / "out" / "test_quality.parquet")
    assert table.schema.equals(TEST_QUALITY.schema)
    rows = table.to_pylist()
    assert [row["problem_id"] for row in rows] == list(dict.fromkeys((*cases, *programs)))
    return {row["problem_id"]: row for row in rows}, json.loads(done.stdout)


def test_right_and_wrong_programs_give_both_rates(tmp_path: Path) -> None:
    """Of three wrong programs the weak tests catch two, the strong ones all; each test tells what it alone catches."""
    rows, account = measure(tmp_path, {"weak": RISING, "strong": ANY}, {"weak": PROGRAMS, "strong": PROGRAMS})
    weak, strong = rows["weak"], rows["strong"]
    assert (weak["right_run"], weak["right_passed"], weak["wrong_run"], weak["wrong_failed"]) == (2, 2, 3, 2)
    assert (weak["tpr"], weak["tnr"], weak["missed_wrong"]) == (1.0, pytest.approx(2 / 3), ["last"])
    assert weak["tnr_low"] == pytest.approx(0.2077, abs=1e-4)
    assert weak["tnr_high"] == pytest.approx(0.9385, abs=1e-4)
    assert (strong["tnr"], strong["missed_wrong"], strong["flags"]) == (1.0, [], [])
    assert [(one["wrong_failed"], one["caught_alone"]) for one in strong["per_test"]] == [(2, 0), (2, 0), (2, 1)]
    assert (strong["tests"], strong["bytes"]) == (3, sum(len(text) + len(out) for text, out in ANY))
    assert (account["kept"], account["dropped"]) == (2, {})
    assert account["notes"][CPU_NOTE] > 0


def test_mutants_are_killed_or_agree(tmp_path: Path) -> None:
    """A mutant that fails a test is killed; one that agrees on every known input is equivalent, and no survivor."""
    rows, _ = measure(tmp_path, {"p": ANY}, {"p": PROGRAMS[:1]}, "--mutants", "40")
    row = rows["p"]
    assert row["mutants_run"] == row["mutants_killed"] + row["mutants_equivalent"]
    assert row["mutants_killed"] > 0
    assert row["mutation_score"] is None


def test_a_right_program_that_fails_is_counted_and_named(tmp_path: Path) -> None:
    """The source may be wrong about a program: it is refused, named, and no mutants are made of it."""
    rows, _ = measure(tmp_path, {"p": ANY}, {"p": [("claimed", "python", LAST, True), *PROGRAMS[:1]]})
    row = rows["p"]
    assert (row["tpr"], row["refused_right"], row["flags"]) == (0.5, ["claimed"], [Flag.RIGHT_REFUSED])
    assert sum(one["right_failed"] for one in row["per_test"]) == 1


def test_tests_that_contradict_each_other_are_flagged(tmp_path: Path) -> None:
    """Two outputs for one input: no right program passes; where a checker decides, they may both be right."""
    cases = [("1\n1\n", "1"), ("1\n1\n", "2"), ("1\n1\n", "1 \n")]
    rows, _ = measure(tmp_path, {"p": cases, "same": cases[::2]}, {"p": PROGRAMS, "same": PROGRAMS}, "--mutants", "0")
    assert rows["p"]["flags"] == [Flag.CONTRADICTORY, Flag.RIGHT_REFUSED]
    assert rows["p"]["tpr"] == 0
    assert rows["same"]["flags"] == []


def test_one_test_is_flagged_and_measured(tmp_path: Path) -> None:
    """One test is little, and the rates say how little."""
    rows, _ = measure(tmp_path, {"p": RISING[:1]}, {"p": PROGRAMS}, "--mutants", "0")
    assert rows["p"]["flags"] == [Flag.ONE_TEST]
    assert rows["p"]["tnr"] == pytest.approx(2 / 3)


def test_whoever_cannot_be_run_is_in_no_rate(tmp_path: Path) -> None:
    """Java, Python 2, and a program of unknown verdict say nothing of the tests; the account names why."""
    programs = [
        *PROGRAMS[:3],
        ("java", "java", "class Main {}", False),
        ("old", "python", "print raw_input()", True),
        ("unknown", "python", SUM, None),
    ]
    rows, account = measure(tmp_path, {"p": ANY}, {"p": programs}, "--mutants", "0")
    row = rows["p"]
    assert (row["right_run"], row["wrong_run"], row["unscored"]) == (2, 1, 2)
    assert (row["tpr"], row["tnr"]) == (1.0, 1.0)
    notes = account["notes"]
    assert (notes["programs unscored: compile_error"], notes["programs unscored: language"]) == (1, 1)
    assert notes["programs left out: unknown verdict"] == 1


def test_problems_that_cannot_be_measured_have_a_reason(tmp_path: Path) -> None:
    """Nothing is lost: each problem has its row, and the account its reason."""
    rows, account = measure(
        tmp_path,
        dict.fromkeys(("no_programs", "talks", "several", "java", "old", "nameless", "empty", "fine"), ANY),
        {
            "no_tests": PROGRAMS,
            "talks": PROGRAMS,
            "several": PROGRAMS,
            "java": [("java", "java", "class Main {}", True)],
            "old": [("old", "python", "print raw_input()", True)],
            "nameless": PROGRAMS,
            "empty": [("empty", "python", "", True)],
            "fine": PROGRAMS,
        },
        problems={
            "talks": {"io_mode": "interactive"},
            "several": {"checker": "special"},
            "nameless": {"io_mode": "function"},
        },
    )
    reasons = {
        "no_programs": Unmeasured.NO_PROGRAMS,
        "no_tests": Unmeasured.NO_TESTS,
        "talks": Unmeasured.INTERACTIVE,
        "several": Unmeasured.NEEDS_CHECKER,
        "java": Unmeasured.LANGUAGE,
        "old": Unmeasured.COMPILE_ERROR,
        "nameless": Unmeasured.NO_FUNCTION,
        "empty": Unmeasured.NO_CODE,
    }
    assert {name: row["reason"] for name, row in rows.items()} == {**reasons, "fine": None}
    assert account["dropped"] == dict.fromkeys(reasons.values(), 1)
    for name in reasons:
        assert (rows[name]["tpr"], rows[name]["tnr"], rows[name]["band"]) == (None, None, None)


def test_a_test_of_ten_megabytes_is_measured_as_any_other(tmp_path: Path) -> None:
    """Its bytes are counted, and it tells right from wrong."""
    large = "1 " * 5_000_000
    programs = [
        ("right", "python", "print(len(input().split()))", True),
        ("wrong", "python", "print(len(input()[:1000].split()))", False),
    ]
    rows, _ = measure(tmp_path, {"p": [("1 1", "2"), (large, "5000000")]}, {"p": programs}, "--mutants", "0")
    assert (rows["p"]["right_passed"], rows["p"]["wrong_failed"]) == (1, 1)
    assert rows["p"]["bytes"] > len(large)


@pytest.mark.parametrize("words", [["--max-tests", "1"], ["--stop-at-first-failure"]])
def test_options_that_would_leave_tests_out_are_refused(words: list[str], tmp_path: Path) -> None:
    """An option of the judge that changes nothing here is not taken in silence."""
    given = written(tmp_path, {"p": RISING}, {"p": PROGRAMS})
    done = CliRunner().invoke(build_app(["test-quality"]), [*given, *words])
    assert isinstance(done.exception, OptionError)
    assert words[0].removeprefix("--").replace("-", "_") in str(done.exception)


@pytest.mark.parametrize("spelling", ["--generated-tests", "--generated_tests"])
def test_both_spellings_of_a_table_are_taken(spelling: str, tmp_path: Path) -> None:
    """Options have hyphens; the table's own name is taken, too."""
    given = written(tmp_path, {"p": RISING}, {"p": PROGRAMS})
    words = [*given, spelling, str(generated(tmp_path, *ANY)), "--mutants", "0"]
    assert CliRunner().invoke(build_app(["test-quality"]), words).exit_code == 0


def test_programs_are_chosen_fairly_and_counted_once(tmp_path: Path) -> None:
    """A text that is given twice is run once; a limit takes the same programs whatever their order."""
    wrong = [(f"wrong{number}", "python", f"print({number})", False) for number in range(8)]
    again = [("again", "python", "print(3)", False), *PROGRAMS[:1]]
    rows, _ = measure(tmp_path, {"p": ANY}, {"p": [*wrong, *again]}, "--mutants", "0")
    assert rows["p"]["wrong_run"] == 8
    options = ("--mutants", "0", "--wrong-programs", "3")
    few, _ = measure(tmp_path, {"p": [("1\n7\n", "3")]}, {"p": [*wrong, *again]}, *options)
    same, _ = measure(tmp_path, {"p": [("1\n7\n", "3")]}, {"p": [*again, *reversed(wrong)]}, *options)
    assert few["p"]["wrong_run"] == same["p"]["wrong_run"] == 3
    assert few["p"]["wrong_failed"] == same["p"]["wrong_failed"]


def test_every_program_is_in_the_account(tmp_path: Path) -> None:
    """Whoever is not run is left out for a reason, and whoever is in no rate is unscored for one."""
    programs: dict[str, Sequence[Program]] = {
        "p": [*PROGRAMS, ("again", "python", SUM, False), ("unknown", "python", MOST, None)],
        "silent": [("java", "java", "class Main {}", True)],
        "several": PROGRAMS[:1],
    }
    words = written(tmp_path, {"p": ANY, "silent": ANY}, programs, {"several": {"checker": "special"}})
    with (tmp_path / "tests.jsonl").open("a") as tests:
        tests.write(json.dumps({"problem_id": "several", "test_id": "0", "input": "1\n1\n", "expected": "2"}) + "\n")
    with (tmp_path / "programs.jsonl").open("a") as more:
        stranger = {"problem_id": "other", "program_id": "s", "language": "python", "code": SUM, "is_correct": True}
        more.write(json.dumps(stranger) + "\n")
    notes = account_of([*words, "--mutants", "0", "--wrong-programs", "2"])["notes"]
    assert {name: number for name, number in notes.items() if name.startswith("programs")} == {
        "programs run": 4,
        "programs left out: over the limit": 1,
        "programs left out: same text": 1,
        "programs left out: unknown problem": 1,
        "programs left out: unknown verdict": 1,
        "programs unscored: language": 1,
        "programs unscored: needs_checker": 1,
    }


def account_of(words: Sequence[str]) -> dict[str, Any]:
    """Run the command and return its account."""
    done = CliRunner().invoke(build_app(["test-quality"]), list(words))
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    account: dict[str, Any] = json.loads(done.stdout)
    return account


def test_a_text_of_both_labels_is_on_no_side(tmp_path: Path) -> None:
    """Nobody knows whether it is right: all its rows are left out."""
    both = [("both1", "python", LAST, True), ("both2", "python", LAST, False), ("both3", "python", LAST, False)]
    rows, account = measure(tmp_path, {"p": ANY}, {"p": [PROGRAMS[0], *both]}, "--mutants", "0")
    assert (rows["p"]["right_run"], rows["p"]["wrong_run"], rows["p"]["unscored"]) == (1, 0, 0)
    assert account["notes"]["programs left out: contradictory label"] == 3


def test_a_problem_that_is_given_twice_is_measured_once(tmp_path: Path) -> None:
    """Two rows in are one row out and one that is dropped."""
    words = written(tmp_path, {"p": ANY}, {"p": PROGRAMS})
    problems = tmp_path / "problems.jsonl"
    problems.write_text(problems.read_text() * 2)
    account = account_of([*words, "--mutants", "0"])
    assert (account["rows_in"], account["kept"], account["dropped"]) == (2, 1, {"duplicate_problem": 1})
    assert pq.read_table(tmp_path / "out" / "test_quality.parquet").num_rows == 1


@pytest.mark.parametrize("name", ["0001", "g0000"])
def test_two_tests_of_one_id_are_refused(tmp_path: Path, name: str) -> None:
    """Which of them a program fails could not be told, be they of the source, generated or one of each."""
    path = generated(tmp_path, ANY[-1])
    again = {"problem_id": "p", "test_id": name, "input": "1\n7\n", "expected": "7"}
    path.write_text(f"{path.read_text()}{json.dumps(again)}\n")
    words = [*written(tmp_path, {"p": RISING}, {"p": PROGRAMS}), "--generated_tests", str(path)]
    with pytest.raises(InputError, match=f"^problem p has test {name} twice; "):
        account_of(words)


def test_generated_tests_alone_measure_a_problem(tmp_path: Path) -> None:
    """A problem is dropped only where no policy could be measured; one without measure is in no count of bands."""
    words = written(tmp_path, {"q": ANY}, {"p": PROGRAMS, "q": []})
    account = account_of([*words, "--generated_tests", str(generated(tmp_path, *ANY)), "--mutants", "0"])
    assert (account["rows_in"], account["kept"], account["dropped"]) == (2, 1, {"no_programs": 1})
    notes = account["notes"]
    assert (notes["programs run"], notes["problems without a band"]) == (5, 1)


def test_nothing_is_judged_twice(tmp_path: Path) -> None:
    """Verdicts are kept by content: a second run, also one with further policies of choosing, finds them again."""
    first, _ = measure(tmp_path, {"p": ANY}, {"p": PROGRAMS})
    database = tmp_path / "out" / ".judge" / "executions.sqlite"
    before = results(database)
    second, _ = measure(tmp_path, {"p": ANY}, {"p": PROGRAMS})
    assert first == second
    assert results(database) == before


def results(database: Path) -> list[tuple[str, str]]:
    """Return the stored verdicts; times of a run are in them, so that a verdict that is made again differs."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT key, result FROM executions ORDER BY key").fetchall()


def test_a_killed_run_judges_nothing_twice(tmp_path: Path) -> None:
    """Killed after some verdicts, the next run makes only the others, of programs and of mutants."""
    slow = [
        (f"wrong{number}", "python", f"{SUM}import time\ntime.sleep(0.2)\n# {number}", False) for number in range(9)
    ]
    words = written(tmp_path, {"p": ANY}, {"p": [*slow, *PROGRAMS[:1]]})
    code = "from ocr_pipeline.cli import main; import sys; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    database = tmp_path / "out" / ".judge" / "executions.sqlite"
    while process.poll() is None and stored(database) < 3:
        os.sched_yield()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = results(database)
    assert 3 <= len(before) < 10
    assert not (tmp_path / "out" / "test_quality.parquet").exists()
    rows, _ = measure(tmp_path, {"p": ANY}, {"p": [*slow, *PROGRAMS[:1]]})
    assert (rows["p"]["wrong_failed"], rows["p"]["right_passed"]) == (9, 1)
    assert set(before) < set(results(database))


def stored(database: Path) -> int:
    """Count the stored verdicts."""
    try:
        return len(results(database))
    except sqlite3.OperationalError:
        return 0


def test_flagged_tests_are_left_out(tmp_path: Path) -> None:
    """What test_trust says of tests counts as it does when samples are judged."""
    wrong_test = ("1\n4\n", "5")
    trust = tmp_path / "trust.jsonl"
    said = [("p", None, "tests_flagged"), ("p", "0002", "no_solution_passes"), ("q", None, "no_solution_passes")]
    trust.write_text(
        "".join(json.dumps({"problem_id": name, "test_id": test, "flag": flag}) + "\n" for name, test, flag in said)
    )
    rows, _ = measure(
        tmp_path,
        {"p": [*RISING, wrong_test], "q": ANY},
        {"p": PROGRAMS, "q": PROGRAMS},
        "--test_trust",
        str(trust),
        "--mutants",
        "0",
    )
    assert (rows["p"]["tests"], rows["p"]["tpr"], rows["p"]["tnr"]) == (2, 1.0, pytest.approx(2 / 3))
    assert rows["q"]["reason"] == Unmeasured.UNTRUSTED_TESTS


def test_no_rows_are_no_problems(tmp_path: Path) -> None:
    """An empty table of problems gives an empty table."""
    empty = pa.table({"problem_id": pa.array([], pa.string())})
    pq.write_table(empty, tmp_path / "empty.parquet")
    words = [f"--{name}={tmp_path / 'empty.parquet'}" for name in ("problems",)]
    for name, columns in (
        ("tests", ("test_id", "input", "expected")),
        ("programs", ("program_id", "language", "code", "is_correct")),
    ):
        table = pa.table({name: pa.array([], pa.string()) for name in ("problem_id", *columns)})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        words.append(f"--{name}={tmp_path / name}.parquet")
    done = CliRunner().invoke(build_app(["test-quality"]), ["test-quality", *words, f"--out={tmp_path / 'out'}"])
    assert done.exit_code == 0, done.output
    assert pq.read_table(tmp_path / "out" / "test_quality.parquet").num_rows == 0


def test_verdicts_carry_the_quality_of_their_tests(tmp_path: Path) -> None:
    """``judge`` puts the rates of a problem beside each verdict; without them they are null."""
    measure(tmp_path, {"p": ANY, "q": ANY}, {"p": PROGRAMS}, "--mutants", "0")
    samples = [{"sample_id": name, "problem_id": name, "language": "python", "code": MOST} for name in ("p", "q")]
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in samples), encoding="utf-8")
    words = ["judge", f"--problems={tmp_path / 'problems.jsonl'}", f"--tests={tmp_path / 'tests.jsonl'}"]
    words += [f"--samples={path}", f"--out={tmp_path / 'judged'}", "--workers=0"]
    for quality, tnr in ((tmp_path / "out" / "test_quality.parquet", 1.0), (None, None)):
        given = [] if quality is None else [f"--test_quality={quality}"]
        done = CliRunner().invoke(build_app(["judge"]), [*words, *given])
        assert done.exit_code == 0, done.output
        executed = pq.read_table(tmp_path / "judged" / "executions.parquet").to_pylist()
        assert [(row["verdict"], row["tests_tpr"], row["tests_tnr"]) for row in executed] == [
            ("accepted", tnr, tnr),
            ("accepted", None, None),
        ]


def generated(folder: Path, *cases: Case) -> Path:
    """Write tests that were made for the problem ``p``."""
    path = folder / "generated_tests.jsonl"
    rows = [
        {"problem_id": "p", "test_id": f"g{number:04}", "input": text, "expected": expected}
        for number, (text, expected) in enumerate(cases)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_generated_tests_make_policies_and_a_mutation_score(tmp_path: Path) -> None:
    """Three policies out of one run; the mutants that only a generated test kills are survivors of the source's."""
    path = generated(tmp_path, ANY[-1], ("1\n-3\n", "-3"))
    words = [*written(tmp_path, {"p": RISING}, {"p": PROGRAMS}), "--generated_tests", str(path)]
    done = CliRunner().invoke(build_app(["test-quality"]), words)
    assert done.exit_code == 0, done.output
    found = {row["policy"]: row for row in pq.read_table(tmp_path / "out" / "test_quality.parquet").to_pylist()}
    assert {name: (row["tests"], row["wrong_failed"]) for name, row in found.items()} == {
        "source": (2, 2),
        "generated": (2, 2),
        "all": (4, 3),
    }
    source, everything = found["source"], found["all"]
    assert source["mutants_equivalent"] == everything["mutants_equivalent"]
    known = everything["mutants_killed"]
    assert source["mutation_score"] == pytest.approx(source["mutants_killed"] / known)
    assert everything["mutation_score"] is None


def test_samples_are_judged_by_the_tests_of_a_policy(tmp_path: Path) -> None:
    """A program that the source's tests let through fails a generated one; without generated tests the command says so."""
    words = written(tmp_path, {"p": RISING}, {"p": PROGRAMS})
    samples = tmp_path / "samples.jsonl"
    samples.write_text(json.dumps({"sample_id": "s", "problem_id": "p", "language": "python", "code": LAST}) + "\n")
    words = ["judge", *words[6:10], f"--samples={samples}", f"--out={tmp_path / 'judged'}", "--workers=0"]
    path = generated(tmp_path, ANY[-1])
    verdicts = []
    for options in ([], ["--tests-policy=all"], ["--tests-policy=trusted"]):
        done = CliRunner().invoke(build_app(["judge"]), [*words, f"--generated_tests={path}", *options])
        assert done.exit_code == 0, done.output
        [row] = pq.read_table(tmp_path / "judged" / "executions.parquet").to_pylist()
        verdicts.append((row["verdict"], row["tests_total"]))
    assert verdicts == [("accepted", 2), ("wrong_answer", 3), ("wrong_answer", 1)]
    done = CliRunner().invoke(build_app(["judge"]), [*words, "--tests-policy=all"])
    assert isinstance(done.exception, InputError)
    assert "give --generated-tests" in str(done.exception)


def test_samples_are_judged_by_the_checker_that_the_teacher_wrote(tmp_path: Path) -> None:
    """Another right output passes made tests where a checker was made with them, and the source's tests alone ask nobody."""
    checker = (
        "import sys\nnumbers, _, output = (open(name).read().split() for name in sys.argv[1:])\n"
        "print(int(len(output) == 1 and output[0] in numbers[1:]))\n"
    )
    programs = [{"problem_id": "p", "role": "checker", "code": checker, "verdict": "used"}]
    words = written(tmp_path, {"p": RISING}, {"p": PROGRAMS}, {"p": {"checker": "special"}})
    samples, written_by = tmp_path / "samples.jsonl", tmp_path / "test_programs.jsonl"
    samples.write_text(json.dumps({"sample_id": "s", "problem_id": "p", "language": "python", "code": FIRST}) + "\n")
    written_by.write_text("".join(f"{json.dumps(row)}\n" for row in programs))
    words = ["judge", *words[6:10], f"--samples={samples}", f"--out={tmp_path / 'judged'}", "--workers=0"]
    words += [f"--generated-tests={generated(tmp_path, ANY[-1])}", f"--checkers={written_by}"]
    verdicts = []
    for policy in ("all", "source"):
        done = CliRunner().invoke(build_app(["judge"]), [*words, f"--tests-policy={policy}"])
        assert done.exit_code == 0, done.output
        [row] = pq.read_table(tmp_path / "judged" / "executions.parquet").to_pylist()
        verdicts.append((row["verdict"], row["needs_checker"]))
    assert verdicts == [("accepted", False), ("wrong_answer", True)]


def test_the_sources_tests_are_measured_without_the_checker_that_a_model_wrote(tmp_path: Path) -> None:
    """Samples are judged by them without it, so that they have no rates; with generated tests it decides."""
    checker = (
        "import sys\nnumbers, _, output = (open(name).read().split() for name in sys.argv[1:])\n"
        "print(int(len(output) == 1 and output[0] in numbers[1:]))\n"
    )
    programs = [("most", "python", MOST, True), ("first", "python", FIRST, True), ("sum", "python", SUM, False)]
    words = written(tmp_path, {"p": ANY}, {"p": programs}, {"p": {"checker": "special"}})
    path = tmp_path / "test_programs.jsonl"
    path.write_text(json.dumps({"problem_id": "p", "role": "checker", "code": checker, "verdict": "used"}) + "\n")
    made = generated(tmp_path, ("2\n1 -3\n", "1"))
    words += [f"--checkers={path}", f"--generated-tests={made}"]
    done = CliRunner().invoke(build_app(["test-quality"]), words)
    assert done.exit_code == 0, done.output
    rows = pq.read_table(tmp_path / "out" / "test_quality.parquet").to_pylist()
    found = {row["policy"]: (row["tpr"], row["tnr"], row["mutants_run"] > 0, row["reason"]) for row in rows}
    assert found["source"] == (None, None, False, "needs_checker")
    assert found["all"] == (1.0, 1.0, True, None)


def test_a_program_that_breaks_the_checker_of_a_model_is_not_scored(tmp_path: Path) -> None:
    """The checker reads numbers only: of a program that prints a word it says nothing, and the others are measured."""
    checker = (
        "import sys\nnumbers, _, output = (list(map(int, open(name).read().split())) for name in sys.argv[1:])\n"
        "print(int(len(output) == 1 and output[0] in numbers[1:]))\n"
    )
    programs = [("most", "python", MOST, True), ("sum", "python", SUM, False), ("word", "python", "print('x')", False)]
    words = written(tmp_path, {"p": ANY}, {"p": programs}, {"p": {"checker": "special"}})
    path = tmp_path / "test_programs.jsonl"
    path.write_text(json.dumps({"problem_id": "p", "role": "checker", "code": checker, "verdict": "used"}) + "\n")
    made = generated(tmp_path, ("2\n1 -3\n", "1"))
    done = CliRunner().invoke(build_app(["test-quality"]), [*words, f"--checkers={path}", f"--generated-tests={made}"])
    assert done.exit_code == 0, done.output
    rows = pq.read_table(tmp_path / "out" / "test_quality.parquet").to_pylist()
    found = {row["policy"]: (row["right_run"], row["wrong_run"], row["unscored"], row["reason"]) for row in rows}
    assert found["all"] == (1, 1, 1, None)


@pytest.mark.parametrize(
    ("programs", "source", "made"),
    [(PROGRAMS[:1], ANY[-1:], ("1\n-3\n", "99")), ([PROGRAMS[0], ("f", "python", FIRST, False)], RISING[:1], ANY[0])],
    ids=["no witness", "known text"],
)
def test_what_is_known_makes_no_wrong_sample(
    programs: Sequence[Program], source: Sequence[Case], made: Case, tmp_path: Path
) -> None:
    """A test that refuses a program known as right is no witness, and a sample with the text of a known one is none."""
    words = written(tmp_path, {"p": source}, {"p": programs})
    samples = tmp_path / "samples.jsonl"
    samples.write_text(
        json.dumps({"sample_id": "s", "problem_id": "p", "language": "python", "code": FIRST + "\n"}) + "\n"
    )
    words += [f"--generated-tests={generated(tmp_path, made)}", f"--samples={samples}", "--sampled-programs=9"]
    done = CliRunner().invoke(build_app(["test-quality"]), words)
    assert done.exit_code == 0, done.output
    rows = pq.read_table(tmp_path / "out" / "test_quality.parquet").to_pylist()
    assert {row["policy"]: row["samples_wrong"] for row in rows} == {"source": 0, "generated": 0, "all": 0}


def test_a_sample_is_a_witness_for_tests_that_did_not_judge_it(tmp_path: Path) -> None:
    """Who fails a generated test is wrong for the source's tests, who fails one of these is for the generated; nobody for all."""
    path = generated(tmp_path, ANY[-1], ("1\n-3\n", "-3"))
    samples = tmp_path / "samples.jsonl"
    rows = [{"sample_id": code, "problem_id": "p", "language": "python", "code": code} for code in (LAST, FIRST, MOST)]
    samples.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = written(tmp_path, {"p": RISING}, {"p": PROGRAMS[:1]})
    words += [f"--generated-tests={path}", f"--samples={samples}", "--sampled-programs=9"]
    done = CliRunner().invoke(build_app(["test-quality"]), words)
    assert done.exit_code == 0, done.output
    found = pq.read_table(tmp_path / "out" / "test_quality.parquet").to_pylist()
    assert {row["policy"]: (row["samples_wrong"], row["samples_failed"]) for row in found} == {
        "source": (1, 0),
        "generated": (1, 0),
        "all": (0, 0),
    }
