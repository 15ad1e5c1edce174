"""Ablations: arms of equal size, paired differences, one table through the command and the asset."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ocr_pipeline import open_table
from ocr_pipeline.cli import build_app
from ocr_pipeline.definitions import build_defs
from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.store import Store
from ocr_pipeline.student.ablation import ablation_plot, compare_arms
from ocr_pipeline.student.arms import Arm, PoolRow, equal_arms, read_pool
from ocr_pipeline.student.config import StudentOptions
from ocr_pipeline.student.options import AblationOptions
from ocr_pipeline.student.rows import Task, TrainingRow
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    PROBLEMS,
    SFT_DATASET,
    STUDENT_EVALUATION,
    TESTS,
    Language,
    selection_table,
)
from ocr_pipeline.tasks import CODEPLAN
from resources import StoreResource
from tests.evidence.root import put

PNG = b"\x89PNG"


def answer(
    number: int, *, language: str = "python", pass_rate: float | None = 1.0, think: str = "Add."
) -> dict[str, Any]:
    """Build a row of sft_dataset."""
    text = f"<think>\n{think}\n</think>\n```{language}\nprint({number})\n```"
    row = {
        "sample_id": f"{number}{language}",
        "input": f"Add {number}.",
        "output": text,
        "problem_id": f"p{number % 3}",
    }
    return row | {"language": language, "pass_rate": pass_rate}


def pool(rows: list[dict[str, Any]], *languages: Language) -> list[PoolRow]:
    """Read rows as a pool."""
    table = pa.Table.from_pylist(rows, schema=SFT_DATASET.schema)
    return list(read_pool(table.to_batches(), {}, CODEPLAN, languages))


def test_the_parts_of_a_pool() -> None:
    """Verdict, language and code in the reasoning decide; what was not run neither passes nor fails."""
    rows = pool(
        [
            answer(0),
            answer(1, pass_rate=0.5, language="cpp"),
            answer(2, pass_rate=None, think="Try\n```python\nprint(1)\n```\nso."),
        ]
    )
    found = {arm: [each.row.row_id for each in rows if each.is_in(arm)] for arm in Arm}
    assert found[Arm.PASSING] == ["0python"]
    assert found[Arm.FAILING] == ["1cpp"]
    assert found[Arm.WITHOUT_CPP] == ["0python", "2python"]
    assert found[Arm.CODE_IN_REASONING] == ["2python"]
    assert found[Arm.ALL] == found[Arm.WITH_CPP] == ["0python", "1cpp", "2python"]


def test_a_pool_of_some_languages() -> None:
    """Rows in others are left out; without a language all are there."""
    rows = [answer(0), answer(1, language="cpp")]
    assert [each.row.row_id for each in pool(rows, Language.CPP)] == ["1cpp"]
    assert len(pool(rows)) == len(rows)


def test_students_are_not_asked_for_what_none_is_taught() -> None:
    """Not even when nobody says what they are asked for."""
    training = StudentOptions(languages=(Language.CPP,))
    assert AblationOptions(asked=(Language.CPP,)).configured(training, JudgeConfig(), "b").languages == (Language.CPP,)
    for options in (AblationOptions(), AblationOptions(asked=(Language.CPP, Language.PYTHON))):
        with pytest.raises(OptionError, match="are taught cpp, not python; give --asked"):
            options.configured(training, JudgeConfig(), "b")


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, None]), st.booleans()), min_size=4, max_size=30),
    st.integers(0, 3),
)
def test_arms_have_one_size_and_do_not_depend_on_the_order(parts: list[tuple[float | None, bool]], seed: int) -> None:
    """Every arm has the rows of the smallest, each once, whatever order they come in."""
    rows = [
        PoolRow(TrainingRow(str(i), Task.CODE, "q", "a", "p", language=Language.PYTHON), rate, code)
        for i, (rate, code) in enumerate(parts)
    ]
    try:
        arms = equal_arms(rows, {}, seed=seed)
    except InputError:
        return  # all rows alike
    assert len({len(each) for each in arms.values()}) == 1
    assert all(len(set(each)) == len(each) for each in arms.values())
    assert arms == equal_arms(rows[::-1], {}, seed=seed)


def test_an_arm_that_is_too_small_is_refused() -> None:
    """The message names it and its size."""
    rows = pool([answer(0), answer(1), answer(2, pass_rate=0.0)])
    with pytest.raises(InputError, match="the arm failing has 1 rows, 2 are wanted"):
        equal_arms(rows, {}, size=2)
    with pytest.raises(InputError, match="needs two arms with rows"):
        equal_arms(pool([answer(0)]), {})


def test_without_cpp_there_is_nothing_to_compare_with_it() -> None:
    """Arms that are the whole pool, or empty, are left out; a named selection is one more."""
    rows = pool([answer(0), answer(1, pass_rate=0.0)])
    assert set(equal_arms(rows, {})) == {"all", "passing", "failing"}
    assert set(equal_arms(rows, {"trusted": [rows[0].row]})) == {"all", "passing", "failing", "trusted"}


def evaluated(scores: dict[str, list[int]]) -> pa.Table:
    """Build student_evaluation: student -> right programs of 4, by problem."""
    head = {"benchmark": "b", "method": "direct", "n": 4, "not_run": 0}
    rows = [
        head | {"student": student, "problem_id": f"p{index}", "correct": right}
        for student, found in scores.items()
        for index, right in enumerate(found)
    ]
    return pa.Table.from_pylist(rows, schema=STUDENT_EVALUATION.schema)


def test_differences_are_paired_by_problem() -> None:
    """The mean over seeds comes first, then the difference per problem, then its standard error over problems."""
    table = evaluated({"passing/0": [4, 2, 0], "passing/1": [4, 4, 0], "all/0": [2, 2, 0], "all/1": [4, 0, 0]})
    rows = {(row["arm"], row["against"]): row for row in compare_arms(table, {"all": 9, "passing": 9}, [1]).to_pylist()}
    assert set(rows) == {("all", None), ("passing", None), ("passing", "all")}
    found = rows["passing", "all"]
    differences = [1.0 - 0.75, 0.75 - 0.25, 0.0]
    mean = sum(differences) / 3
    error = math.sqrt(sum((each - mean) ** 2 for each in differences) / 2 / 3)
    assert (found["value"], found["standard_error"]) == (pytest.approx(mean), pytest.approx(error))
    assert (found["training_seeds"], found["n_problems"], found["training_rows"]) == (2, 3, 9)
    assert found["seed_standard_error"] == pytest.approx(abs((0.5 - 1 / 3) - (2 / 3 - 1 / 3)) / 2)
    assert ablation_plot(compare_arms(table, {"all": 9, "passing": 9}, [1])).startswith(PNG)


def test_students_that_solve_nothing_are_not_equal_for_sure() -> None:
    """An estimate of 0 has Wilson's error; a difference that is 0 in every problem has none that is known."""
    rows = compare_arms(evaluated({"passing/0": [0, 0], "all/0": [0, 0]}), {"all": 9, "passing": 9}, [1]).to_pylist()
    alone, against = rows[0], rows[-1]
    assert (alone["value"], against["value"]) == (0.0, 0.0)
    assert alone["standard_error"] == pytest.approx(1.96 / (2 + 1.96**2), rel=1e-3)
    assert against["standard_error"] is None


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    """Return a data root with passing and failing answers, and a selection with a name."""
    store = Store(str(tmp_path / "data"))
    head = {"dataset": "taco", "split": "test", "io_mode": "stdin"}
    problems = [head | {"problem_id": f"p{number}", "statement": f"Add {number}."} for number in range(3)]
    case = {"test_id": "0", "kind": "example", "input": "5"}
    put(store, PROBLEMS, problems, {"dataset": "taco"})
    put(store, CLEAN_PROBLEMS, problems, {})
    put(
        store,
        TESTS,
        [case | {"problem_id": f"p{number}", "expected": str(number)} for number in range(3)],
        {"dataset": "taco"},
    )
    rows = [answer(number, pass_rate=1.0 if number < 3 else 0.0) for number in range(6)]
    put(store, SFT_DATASET, rows, {"dataset": "taco", "language": "python"})
    put(store, selection_table("trusted"), rows[:3], {"dataset": "taco", "language": "python"})
    others = [answer(number, language="cpp") for number in range(6, 9)]
    put(store, selection_table("mixed"), rows[:2], {"dataset": "taco", "language": "python"})
    put(store, selection_table("mixed"), others, {"dataset": "taco", "language": "cpp"})
    return tmp_path / "data"


OPTIONS = {"n": 1, "answer_tokens": 8, "max_steps": 1}
ARMS = {"all", "passing", "failing", "trusted"}


def test_the_command_writes_one_table_and_one_plot(root: Path, tmp_path: Path) -> None:
    """Every part and the named selection are trained and compared."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    arguments = ["student", "ablate", root / "sft_dataset", "--problems", root / "problems", "--tests", root / "tests"]
    arguments += ["--out", tmp_path / "out", "--selection", f"trusted={root / 'sft_dataset_trusted'}"]
    arguments += [text for name, value in OPTIONS.items() for text in (f"--{name.replace('_', '-')}", value)]
    done = CliRunner().invoke(build_app(["student"]), [str(each) for each in arguments])
    assert done.exit_code == 0, done.output
    assert "train = test" in done.output
    rows = pq.read_table(tmp_path / "out" / "ablation.parquet").to_pylist()
    assert {row["arm"] for row in rows} == ARMS
    assert ("trusted", "all") in {(row["arm"], row["against"]) for row in rows}
    assert {row["training_rows"] for row in rows} == {3}
    assert (tmp_path / "out" / "ablation.png").read_bytes().startswith(PNG)


def test_the_command_filters_a_named_selection_as_the_pool(root: Path, tmp_path: Path) -> None:
    """Two of its five rows are Python, so that every arm has two."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    arguments = ["student", "ablate", root / "sft_dataset", "--problems", root / "problems", "--tests", root / "tests"]
    arguments += ["--out", tmp_path / "out", "--selection", f"mixed={root / 'sft_dataset_mixed'}"]
    arguments += ["--n", 1, "--answer-tokens", 8, "--max-steps", 1, "--arm", "all", "--language", "python"]
    done = CliRunner().invoke(build_app(["student"]), [str(each) for each in arguments])
    assert done.exit_code == 0, done.output
    rows = pq.read_table(tmp_path / "out" / "ablation.parquet").to_pylist()
    assert {(row["arm"], row["training_rows"]) for row in rows} == {("all", 2), ("mixed", 2)}


def test_the_asset_filters_a_named_selection_as_the_pool(root: Path) -> None:
    """As the command does."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    keys = [dg.AssetKey("ablation")]
    job = build_defs(store=StoreResource(root=str(root))).resolve_implicit_job_def_def_for_assets(keys)
    assert job is not None
    given_options = OPTIONS | {"arms": [Arm.ALL.name], "languages": [Language.PYTHON.name], "selections": ["mixed"]}
    with dg.DagsterInstance.ephemeral() as instance:
        config = {"ops": {"ablation": {"config": given_options}}}
        job.execute_in_process(instance=instance, asset_selection=keys, run_config=config)
    rows = open_table(root, "ablation").to_table().to_pylist()
    assert {(row["arm"], row["training_rows"]) for row in rows} == {("all", 2), ("mixed", 2)}


def test_the_asset_writes_the_same_table(root: Path) -> None:
    """With the plot on its page."""
    pytest.importorskip("transformers", reason="needs the extra `train`")
    job = build_defs(store=StoreResource(root=str(root))).resolve_implicit_job_def_def_for_assets(
        [dg.AssetKey("ablation")]
    )
    assert job is not None
    config = {"ops": {"ablation": {"config": OPTIONS | {"selections": ["trusted"]}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        ran = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("ablation")], run_config=config)
        [event] = ran.asset_materializations_for_node("ablation")
    assert "differences" in event.metadata
    assert {row["arm"] for row in open_table(root, "ablation").to_table().to_pylist()} == ARMS
