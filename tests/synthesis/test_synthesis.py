"""New problems of the recorded teacher: one is kept, all others are dropped for a reason each, and nothing is paid twice."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline.building import build_unless_current
from ocr_pipeline.cli import build_app
from ocr_pipeline.engine import LocalEngine
from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.flow import FLOW
from ocr_pipeline.generating.by_model import AskTeacher
from ocr_pipeline.sample import path
from ocr_pipeline.sample.authored import load_problems
from ocr_pipeline.similarity import Reviews, services
from ocr_pipeline.steps import Job, Services, build_of, stored_rows
from ocr_pipeline.store import Store, TableWriter
from ocr_pipeline.synthesis import step
from ocr_pipeline.synthesis.drafting import read_draft
from ocr_pipeline.synthesis.novelty import Known
from ocr_pipeline.synthesis.options import SynthesisConfig
from ocr_pipeline.synthesis.steps import SYNTHESIZE
from ocr_pipeline.tables import CLEAN_PROBLEMS, SOLUTIONS, SYNTHETIC_PROBLEMS
from ocr_pipeline.tables import PROBLEMS as PROBLEMS_TABLE
from ocr_pipeline.teacher.ask import Reply
from ocr_pipeline.teacher.reply import Usage
from ocr_pipeline.teacher.request import Identity, Request, request_id
from tests.evidence import root
from tests.evidence.root import SUM
from tests.generating.test_step import CONFIG, LARGEST, LARGEST_SLOWLY, STATEMENT, Rows
from tests.similarity.stub import WordEncoder

PROBLEMS = {problem.slug: problem for problem in load_problems(path("problems"))}
SEEDS = ("ticket_stamps", "tide_minimum")
FEW = ("--inputs-per-way", "4", "--inputs-per-seed", "3", "--mutants", "4", "--workers", "0", "--largest", "2")
SIX = ("--count", "6", "--choice-seed", "0")


class Made(NamedTuple):
    """What one run of the command leaves."""

    out: Path
    rows: list[dict[str, Any]]
    counts: dict[str, Any]

    @property
    def kept(self) -> dict[str, Any]:
        """Return the only problem that is kept."""
        (row,) = (row for row in self.rows if row["verdict"] == "kept")
        return row

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of another table."""
        rows: list[dict[str, Any]] = pq.read_table(self.out / f"synthetic_{name}.parquet").to_pylist()
        return rows


def given(folder: Path, *, is_right: bool = True) -> list[str]:
    """Write two bundled problems with their solutions; return the arguments of the command."""
    problems = [{"problem_id": f"taco/train/{slug}", "statement": PROBLEMS[slug].statement} for slug in SEEDS]
    solutions = [
        {
            "problem_id": f"taco/train/{slug}",
            "solution_id": each.name,
            "language": each.language,
            "code": each.code,
            "is_correct": each.correct and is_right,
        }
        for slug in SEEDS
        for each in PROBLEMS[slug].solutions
    ]
    for name, rows in (("problems", problems), ("solutions", solutions)):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return [str(folder / "problems.parquet"), "--solutions", str(folder / "solutions.parquet")]


def synthesize(folder: Path, *more: str, name: str = "out", is_right: bool = True) -> Made:
    """Run the command on the two problems."""
    out = folder / name
    arguments = ["synthesize", *given(folder, is_right=is_right), "--out", str(out), *FEW, "--json", *more]
    done = CliRunner().invoke(build_app(["synthesize"]), arguments)
    assert done.exit_code == 0, done.output
    return Made(out, pq.read_table(out / "synthetic_problems.parquet").to_pylist(), json.loads(done.stdout))


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return six problems that were asked for, each style twice, compared by the real encoder."""
    return synthesize(tmp_path_factory.mktemp("made"), *SIX)


def test_every_problem_that_is_asked_for_is_kept_or_has_a_reason(six: Made) -> None:
    """One is new and agreed; the others retell a parent, a benchmark or another new one, are unclear, or are none."""
    assert Counter((row["style"], row["verdict"]) for row in six.rows) == {
        ("recombined", "kept"): 1,
        ("recombined", "duplicate"): 1,
        ("constraints", "undecided"): 1,
        ("constraints", "no_problem"): 1,
        ("story", "contaminated"): 1,
        ("story", "disagreement"): 1,
    }
    assert six.counts["rows_in"] == six.counts["kept"] + sum(six.counts["dropped"].values()) == 6


def test_what_is_too_like_another_names_it(six: Made) -> None:
    """A witness is the parent, the benchmark's problem, or the new problem that came first."""
    witnesses = {(row["style"], row["verdict"]): row["witness"] for row in six.rows}
    assert witnesses["constraints", "undecided"] == "taco/train/tide_minimum"
    assert witnesses["story", "contaminated"] == "own_benchmark/test/own-5"
    assert witnesses["recombined", "duplicate"] == six.kept["problem_id"]


def test_what_is_kept_has_tests_that_tell_right_from_wrong(six: Made) -> None:
    """Three programs agree on every test; the greedy one fails some, and is kept as a wrong one."""
    tests, solutions = six.table("tests"), six.table("solutions")
    assert {row["problem_id"] for row in (*tests, *solutions)} == {six.kept["problem_id"]}
    assert [row["is_correct"] for row in solutions] == [True, True, False, True]
    assert six.kept["n_tests"] == len(tests) >= 5
    assert (six.kept["n_solutions"], six.kept["candidates"]) == (3, 4)
    assert len(six.kept["parents"]) == 2


def test_what_is_dropped_has_no_statement(six: Made) -> None:
    """Whoever reads the table as a data set gets only what is kept; the draft is there for people."""
    assert [bool(row["statement"]) for row in six.rows] == [row["verdict"] == "kept" for row in six.rows]
    assert all(row["draft"] for row in six.rows)


def test_it_is_one_more_data_set_of_the_flow(six: Made, tmp_path: Path) -> None:
    """The three files are read as own problems: one problem, and five rejected rows without a statement."""
    files = [str(six.out / f"synthetic_{name}.parquet") for name in ("problems", "tests", "solutions")]
    done = CliRunner().invoke(build_app(["ingest"]), ["ingest", "own", *files, "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    (problem,) = pq.read_table(tmp_path / "problems.parquet").to_pylist()
    for name in ("problem_id", "statement", "n_tests", "n_solutions"):
        assert problem[name] == six.kept[name]
    rejected = pq.read_table(tmp_path / "rejected.parquet").to_pylist()
    assert [row["reason"] for row in rejected] == ["empty_statement"] * 5


def test_the_next_run_pays_nothing_and_makes_nothing_twice(six: Made) -> None:
    """With ledger and finished tests of an earlier run the same rows come out, and no answer is added."""

    def content(file: Path) -> list[Any]:
        with sqlite3.connect(file) as database:
            return list(database.iterdump())

    files = [six.out / "ledger" / "synthesis.sqlite", six.out / ".generate-tests" / "generated.sqlite"]
    before = [len(content(file)) for file in files]
    kept = ("--ledger", str(files[0].parent), "--made", str(files[1].parent))
    again = synthesize(six.out.parent, *SIX, *kept, name="again")
    assert again.rows == six.rows
    assert [len(content(file)) for file in files] == before


def test_nothing_is_asked_for_by_default(tmp_path: Path) -> None:
    """It is off: three empty tables, and no server is looked for."""
    made = synthesize(tmp_path, "--url", "http://127.0.0.1:9/v1")
    assert made.rows == []
    assert pq.read_schema(made.out / "synthetic_problems.parquet").names == SYNTHETIC_PROBLEMS.schema.names


def test_a_command_that_asks_for_nothing_keeps_the_files(tmp_path: Path) -> None:
    """Rows that were paid for are not replaced by none."""
    made = synthesize(tmp_path, "--url", "http://127.0.0.1:9/v1")
    before = (made.out / "synthetic_problems.parquet").read_bytes()
    arguments = ["synthesize", *given(tmp_path, is_right=True), "--out", str(made.out), *FEW]
    done = CliRunner().invoke(build_app(["synthesize"]), arguments)
    assert isinstance(done.exception, InputError)
    assert "these options ask for nothing" in str(done.exception)
    assert (made.out / "synthetic_problems.parquet").read_bytes() == before


def test_known_problems_without_a_right_solution_are_no_parents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every problem that is asked for says so, and nobody is asked."""
    monkeypatch.setattr(services, "load_encoder", lambda *_, **__: WordEncoder())
    made = synthesize(tmp_path, "--count", "3", is_right=False)
    assert made.counts["dropped"] == {"no_seed": 3}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot.",
        "### STATEMENT\nPrint it.\n",
        "### STATEMENT\nPrint it.\n### INPUT\n1\n### OUTPUT\n",
        "### STATEMENT\nPrint it.\n### INPUT\n1\n### INPUT\n2\n### OUTPUT\n2\n",
        "### STATEMENT\n\n### INPUT\n1\n### OUTPUT\n1\n",
        "### STATEMENT\nOne.\n### STATEMENT\nTwo.\n### INPUT\n1\n### OUTPUT\n1\n",
        "<think>\n### STATEMENT\nPrint it.\n### INPUT\n1\n### OUTPUT\n1\n",
    ],
)
def test_an_answer_without_a_whole_problem_is_none(text: str) -> None:
    """Statement, inputs and outputs must be there, each input with its output, outside of the reasoning."""
    assert read_draft(text) is None


def test_a_draft_is_read_after_the_reasoning() -> None:
    """Title, statement and examples are told apart; the examples end the statement."""
    text = "<think>\nhm\n</think>\n\n### TITLE\nOne\n### STATEMENT\nPrint it.\n### INPUT\n1\n2\n### OUTPUT\n3\n"
    draft = read_draft(text)
    assert draft is not None
    assert (draft.title, draft.story, draft.examples) == ("One", "Print it.", (("1\n2\n", "3\n"),))
    assert draft.statement == "Print it.\n\nExamples\n\nInput\n\n1\n2\n\nOutput\n\n3\n"


DRAFT = f"### TITLE\nTop\n### STATEMENT\n{STATEMENT}\n### INPUT\n3\n1 5 2\n### OUTPUT\n5\n"
SOLUTIONS_OF_DRAFT = (LARGEST, LARGEST_SLOWLY)


def answers(changed: Callable[[str, int], dict[str, Any]]) -> AskTeacher:
    """Return a teacher that has a draft and two solutions, but for what is changed by role and place among the seeds."""

    def ask(requests: Iterable[Request]) -> Iterator[Reply]:
        for request in requests:
            role, seed = str(request.subject["role"]), int(str(request.params["seed"]))
            code = SOLUTIONS_OF_DRAFT[seed % 2] if role == "solve" else ""
            yield Reply(
                **{
                    "request": request,
                    "request_id": request_id(request, Identity("m")),
                    "text": DRAFT if role == "story" else f"```python\n{code}```\n",
                    "model": "m",
                    "finish_reason": "stop",
                    "stop_reason": None,
                    "usage": Usage(1, 2),
                    "latency_s": 0.1,
                    "attempts": 1,
                    "created_at": datetime(2026, 1, 1, tzinfo=UTC),
                }
                | changed(role, seed)
            )

    return ask


def told(folder: Path, changed: Callable[[str, int], dict[str, Any]], **options: Any) -> dict[str, Any]:
    """Ask for one problem; return its row."""
    parent = root.problem(SUM, statement="Read two words and say which one is longer.")
    solution = {"problem_id": SUM, "solution_id": "1", "language": "python", "code": "pass", "is_correct": True}
    problems, tests, solutions = Rows(), Rows(), Rows()
    step.synthesize(
        Known(lambda: root.rows_of(PROBLEMS_TABLE, [parent]).to_batches(), [], WordEncoder(), Reviews(), 0.99),
        lambda _: root.rows_of(SOLUTIONS, [solution]).to_batches(),
        config=SynthesisConfig(count=1, styles=("story",), **options),
        making=CONFIG,
        ask=answers(changed),
        writers=step.Writers(*(cast("TableWriter", each) for each in (problems, tests, solutions))),
        finished=folder,
        engine=LocalEngine(0),
    )
    (row,) = problems.rows
    return row


def fails(role: str, *seeds: int, **how: Any) -> Callable[[str, int], dict[str, Any]]:
    """Return what changes some answers to a role."""
    return lambda asked, seed: how if asked == role and seed in seeds else {}


ERROR = {"error": "timeout: 3600 s", "text": ""}
CUT_OFF = {"finish_reason": "length"}


@pytest.mark.parametrize(
    ("changed", "options", "verdict"),
    [
        (fails("solve", 1, 2, 3, **ERROR), {}, "teacher_error"),
        (fails("solve", 0, 1, 2, 3, **ERROR), {}, "teacher_error"),
        (fails("solve", 1, 3, text="I cannot."), {}, "few_solutions"),
        (fails("solve", 1, 3, **CUT_OFF), {}, "few_solutions"),
        (fails("story", 0, **CUT_OFF), {}, "truncated"),
        (fails("story", 0, text="<think>\nwell"), {}, "unclosed_reasoning"),
        (fails("story", 0, **ERROR), {}, "teacher_error"),
        (fails("generator", 0, **ERROR), {"least_tests": 999}, "teacher_error"),
        (fails("generator", 9), {"least_tests": 999}, "few_tests"),
    ],
)
def test_an_answer_that_is_missing_is_not_the_problems_fault(
    changed: Callable[[str, int], dict[str, Any]], options: dict[str, Any], verdict: str, tmp_path: Path
) -> None:
    """What failed on the server is asked again; what was cut off is no answer, and says so."""
    assert told(tmp_path, changed, **options)["verdict"] == verdict


def test_a_run_that_asks_for_nothing_keeps_what_was_paid_for(tmp_path: Path) -> None:
    """With defaults a data root's new problems stay as they are, also after a known problem changed."""
    store = Store(tmp_path)
    root.put(store, CLEAN_PROBLEMS, [root.unique(SUM)])
    root.put(store, SOLUTIONS, [], {"dataset": "taco"})
    paid = root.problem("own/train/synthetic-1") | {"verdict": "kept"}
    for table, rows in zip(SYNTHESIZE.writes, ([paid], [], []), strict=True):
        root.put(store, table, rows, config={"count": 6}, model="paid")
    before = [store.manifest(table) for table in SYNTHESIZE.writes]
    with Services(lambda model: model(), lambda _: None, print) as services:
        rows_read = stored_rows(SYNTHESIZE, store, {}, lambda _: "train")
        built = build_unless_current(store, build_of(SYNTHESIZE, Job({}, rows_read, services, lambda model: model())))
    assert [store.manifest(table) for table in SYNTHESIZE.writes] == before
    assert all(one.reused for one in built)


def test_a_count_that_nobody_means_is_refused() -> None:
    """It would work for minutes before anything is said."""
    with pytest.raises(OptionError, match="count"):
        SynthesisConfig(count=100_000_000)


def test_it_takes_turns_with_others_that_ask_the_teacher() -> None:
    """Every step of the flow that asks a model holds the one place in the teacher's pool."""
    assert {one.name: one.pool for one in FLOW if one.asks is not None and one.pool != "teacher"} == {}
