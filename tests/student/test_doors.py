"""A student is asked as it was taught, in both languages, through every door, with equal results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ocr_pipeline import open_table
from ocr_pipeline.cli import build_app
from ocr_pipeline.definitions import build_defs
from ocr_pipeline.store import Store
from ocr_pipeline.student.generation import Completion, LocalStudent, Sampling, count_reasoning_tokens
from ocr_pipeline.student.problems import AskedProblem
from ocr_pipeline.student.rows import Task
from ocr_pipeline.student.sampling import sample_codes
from ocr_pipeline.student.taught import PROMPT_FILE
from ocr_pipeline.tables import CLEAN_PROBLEMS, PLAN_SFT_DATASET, PROBLEMS, SFT_DATASET, TESTS, Language
from resources import StoreResource
from tests.evidence.root import put
from tests.student.serving import served

pytest.importorskip("transformers", reason="needs the extra `train`")
pytestmark = pytest.mark.timeout(600)

WORDS = ("nothing", "one", "two")
PROGRAMS = {
    "python": "print(int(input()) + {0})",
    "cpp": "#include <iostream>\nint main() {{ int x; std::cin >> x; std::cout << x + {0}; }}",
}
RECIPE = {"max_steps": 200, "batch_rows": 6}
TRIAL = {"n": 1, "k": "1", "temperature": 0.0, "max_tokens": 64}


def problem(number: int) -> dict[str, Any]:
    """Build a problem that adds a number."""
    return {
        "problem_id": f"taco/test/{number}",
        "dataset": "taco",
        "split": "test",
        "statement": f"Add {WORDS[number]}.",
        "io_mode": "stdin",
    }


def case(number: int) -> dict[str, Any]:
    """Build its test."""
    more = {"test_id": "0", "kind": "example", "input": "5", "expected": str(5 + number)}
    return {"problem_id": f"taco/test/{number}"} | more


def taught(number: int, language: str) -> dict[str, Any]:
    """Build an answer of the teacher."""
    output = f"```{language}\n{PROGRAMS[language].format(number)}\n```"
    row = {"sample_id": f"{number}{language}", "id": str(number), "input": f"Add {WORDS[number]}.", "output": output}
    return row | {"language": language, "problem_id": f"taco/test/{number}", "dataset": "taco", "split": "test"}


@pytest.fixture(name="root", scope="module")
def _root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with answers in both languages."""
    folder = tmp_path_factory.mktemp("doors") / "data"
    store = Store(str(folder))
    for table, rows in ((PROBLEMS, map(problem, range(3))), (CLEAN_PROBLEMS, map(problem, range(3)))):
        put(store, table, list(rows), {"dataset": "taco"} if table.partition_by else {})
    put(store, TESTS, [case(number) for number in range(3)], {"dataset": "taco"})
    put(store, PLAN_SFT_DATASET, [], {"dataset": "taco"})
    for language in PROGRAMS:
        rows = [taught(number, language) for number in range(3)]
        put(store, SFT_DATASET, rows, {"dataset": "taco", "language": language})
    return folder


def run(*arguments: object, fails: bool = False) -> str:
    """Run a command."""
    found = CliRunner().invoke(build_app(["student", "train", "evaluate"]), [str(each) for each in arguments])
    assert bool(found.exit_code) == fails, found.output
    return f"{found.output}{found.exception}"


def said(options: dict[str, Any]) -> list[str]:
    """Write options as a command line."""
    return [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]


def results(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what an evaluation says, without the name of the student."""
    names = ("benchmark", "language", "problem_id", "code", "verdict", "tokens")
    return sorted(tuple(row[name] for name in names) for row in rows)


@pytest.fixture(name="trained", scope="module")
def _trained(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train through the command."""
    folder = tmp_path_factory.mktemp("students") / "tiny"
    files = [root / "sft_dataset", "--problems", root / "clean_problems"]
    run("train", *files, "--out", folder, *said(RECIPE))
    return folder


@pytest.fixture(name="by_command", scope="module")
def _by_command(root: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Evaluate through the command."""
    out = tmp_path_factory.mktemp("out")
    run("student", "evaluate", trained, *tables(root), "--out", out, *said(TRIAL))
    return pq.read_table(out / "student_candidates.parquet").to_pylist()


def tables(root: Path) -> list[object]:
    """Name the benchmark."""
    return ["--problems", root / "problems", "--tests", root / "tests", "--benchmark", "taco"]


def test_both_languages_are_learned_asked_and_judged(by_command: list[dict[str, Any]]) -> None:
    """One student writes Python where Python is asked for and C++ where C++ is; each is judged in its own."""
    assert {(row["benchmark"], row["language"], row["verdict"]) for row in by_command} == {
        ("taco/python", "python", "accepted"),
        ("taco/cpp", "cpp", "accepted"),
    }
    assert all(("include" in row["code"]) == (row["language"] == "cpp") for row in by_command)


def test_a_server_gives_the_same(root: Path, trained: Path, by_command: list[dict[str, Any]], tmp_path: Path) -> None:
    """The same weights behind a URL give the same programs, verdicts and tokens."""
    with served(trained, "tiny") as url:
        asked = ["--url", url, "--language", "python", "--language", "cpp", "--prompt", trained / PROMPT_FILE]
        run("student", "evaluate", "tiny", *tables(root), "--out", tmp_path, *asked, *said(TRIAL))
    assert results(pq.read_table(tmp_path / "student_candidates.parquet").to_pylist()) == results(by_command)


def test_the_assets_give_the_same(root: Path, by_command: list[dict[str, Any]]) -> None:
    """Trained and tried by Dagster, the student is the same."""
    names = ["student", "student_candidates", "student_evaluation", "evaluation_summary"]
    keys = [dg.AssetKey(name) for name in names]
    job = build_defs(store=StoreResource(root=str(root))).resolve_implicit_job_def_def_for_assets(keys)
    assert job is not None
    ops = {"student": RECIPE | {"objective": "sft"}, "evaluate_student": TRIAL | {"benchmarks": ["taco"]}}
    config = {"ops": {name: {"config": values} for name, values in ops.items()}}
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process(instance=instance, asset_selection=keys, run_config=config)
    assert results(open_table(root, "student_candidates").to_table().to_pylist()) == results(by_command)


def test_only_some_languages_are_trained(root: Path, tmp_path: Path) -> None:
    """A student of C++ alone is asked for C++ alone."""
    run("train", root / "sft_dataset", "--out", tmp_path / "cpp", "--language", "cpp", "--max-steps", 1)
    assert LocalStudent(tmp_path / "cpp").languages == (Language.CPP,)
    assert json.loads((tmp_path / "cpp" / "run.json").read_text())["rows"] == 3


def test_other_words_than_those_of_training_are_refused(root: Path, trained: Path, tmp_path: Path) -> None:
    """The message names both prompts."""
    asked = ["student", "evaluate", trained, *tables(root), "--out", tmp_path]
    message = run(*asked, "--prompt", "statement", fails=True)
    assert "was taught with the prompt `codeplan`" in message
    assert "not `statement`" in message


def test_other_languages_than_those_of_training_are_refused(root: Path, trained: Path, tmp_path: Path) -> None:
    """The message names both; a student of both may be asked for one."""
    for file in trained.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    told = json.loads((tmp_path / PROMPT_FILE).read_text())
    (tmp_path / PROMPT_FILE).write_text(json.dumps(told | {"languages": ["cpp"]}))
    asked = [*tables(root), "--out", tmp_path / "out", *said(TRIAL), "--language", "python"]
    message = run("student", "evaluate", tmp_path, *asked, fails=True)
    assert "the student was taught cpp, not python" in message
    assert not (tmp_path / "out" / "student_candidates.parquet").exists()
    run("student", "evaluate", trained, *asked)


def test_a_changed_chat_template_is_refused(trained: Path, tmp_path: Path) -> None:
    """Weights that answer one form of chat are not asked in another."""
    for file in trained.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    with pytest.raises(Exception, match="is not the one it was trained with"):
        LocalStudent(tmp_path)


def test_rows_in_words_of_their_own_need_them_named(tmp_path: Path) -> None:
    """Nobody knows how such a student is asked, so nobody guesses; a file with the words says it."""
    rows = [{"id": "1", "task": "code", "prompt": "Please: Add one.\n", "completion": "print(1)", "problem_id": "p"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row | {"weight": 1.0}) + "\n" for row in rows))
    run("train", tmp_path / "rows.jsonl", "--out", tmp_path / "own", "--max-steps", 1)
    with pytest.raises(Exception, match="words of their own; name them with --prompt"):
        LocalStudent(tmp_path / "own")
    (tmp_path / "please.txt").write_text("Please: {statement}\n")
    run(
        "train",
        tmp_path / "rows.jsonl",
        "--out",
        tmp_path / "named",
        "--max-steps",
        1,
        "--prompt",
        tmp_path / "please.txt",
    )
    assert LocalStudent(tmp_path / "named").wording.code("Add one.", io_mode="stdin") == "Please: Add one.\n"


class ThinkingStudent:
    """Its chat template opens the thought: one answer is whole, the other was cut in a draft."""

    name = "thinking"

    def complete(self, prompts: Any, *, task: Task, n: int, sampling: Sampling) -> Any:
        """Answer once right, once too long."""
        del task, n, sampling
        for _ in prompts:
            yield [
                Completion("Add one.\n</think>\n```python\nprint(2)\n```", "stop", 20),
                Completion("Perhaps\n```python\nprint(1)\n```\nor not, so", "length", 64),
            ]


def test_a_draft_in_a_cut_thought_is_not_handed_in() -> None:
    """An answer that was cut before the thought ended holds no program, and all of it is reasoning."""
    whole, cut = sample_codes([AskedProblem("p", "Add.", "stdin")], ThinkingStudent(), n=2, sampling=Sampling())
    assert (whole.code, cut.code) == ("print(2)", "")
    assert (cut.reasoning_tokens, cut.tokens) == (64, 64)


def test_a_template_that_opens_the_thought_is_known(trained: Path, tmp_path: Path) -> None:
    """What a local student writes below such a template is a thought until it is closed."""
    for file in trained.iterdir():
        if file.is_file() and file.name != PROMPT_FILE:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    template = (trained / "chat_template.jinja").read_text()
    (tmp_path / "chat_template.jinja").write_text(template.replace("assistant\n", "assistant\n<think>\n"))
    [[found]] = LocalStudent(tmp_path).complete(["Add."], task=Task.CODE, n=1, sampling=Sampling(0.0, max_tokens=9))
    assert found.text.startswith("<think>")
    assert count_reasoning_tokens(found) == found.tokens
