"""Group student: a model trained on the data set, and what it can do, with honest error bars."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from assets.materialize import fails_in_one_line, materialize, watched
from assets.metadata import OWNER, described
from ocr_pipeline import student as step
from ocr_pipeline.building import Build, Writers
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.store import InputRef, Store, fingerprint
from ocr_pipeline.student.assess import AssessConfig, assess, evaluate_candidates, with_ranker_scores
from ocr_pipeline.student.examine import SandboxExaminer
from ocr_pipeline.student.generation import LocalStudent, Sampling
from ocr_pipeline.student.trial import summarize_trial
from ocr_pipeline.tables import (
    EVALUATION_SUMMARY,
    PLAN_SFT_DATASET,
    PROBLEMS,
    SFT_DATASET,
    STUDENT_CANDIDATES,
    STUDENT_EVALUATION,
    TESTS,
    Table,
)
from resources import SandboxResource, StoreResource

__all__ = ["StudentConfig", "StudentEvaluationConfig", "evaluated", "student"]

GROUP: Final = "8_student"
GPU_POOL: Final = "gpu"
EVALUATION_TABLES: Final = (STUDENT_CANDIDATES, STUDENT_EVALUATION, EVALUATION_SUMMARY)


class StudentConfig(dg.Config):
    """Which student is trained, and on what; the defaults are the preset for a CPU."""

    name: str = "tiny"
    preset: str = "tiny"
    objective: str = "joint"
    heads: str = "shared"
    plan_weight: float = 0.5
    epochs: float | None = None
    base_model: str | None = None

    def recipe(self) -> step.TrainConfig:
        """Return the library's configuration."""
        base = step.preset(self.preset)
        return replace(
            base,
            objective=step.Objective(self.objective),
            heads=step.Heads(self.heads),
            plan_weight=self.plan_weight,
            epochs=self.epochs or base.epochs,
            base_model=self.base_model or base.base_model,
        )


@dg.asset(
    deps=[PLAN_SFT_DATASET.name, SFT_DATASET.name],
    group_name=GROUP,
    owners=[OWNER],
    kinds={"torch"},
    pool=GPU_POOL,
    code_version=step.VERSION,
)
def student(
    context: dg.AssetExecutionContext, config: StudentConfig, store: StoreResource
) -> dg.MaterializeResult[Any]:
    """Train a student: plain on the reasoning data set, or jointly on code and plans."""
    with fails_in_one_line():
        opened, recipe = store.open(), config.recipe()
        table = SFT_DATASET if recipe.objective is step.Objective.SFT else PLAN_SFT_DATASET
        key = _key(recipe, opened.references(table))
        folder = _students(store) / config.name / key / config.name  # the last part is the student's name in the tables
        rows = step.read_rows(opened.open(table).to_batches())
        result = step.train(rows, recipe, folder, progress=watched(context, f"training {config.name}", "steps"))
        (_students(store) / config.name / "current").write_text(key, encoding="utf-8")
    curve = [asdict(point) for point in result.curve]
    return dg.MaterializeResult(
        metadata={
            "folder": str(folder),
            "parameters": result.parameters,
            "steps": result.steps,
            "resumed_from_step": result.resumed_from,
            "rows_kept": result.counts.kept,
            "rows_dropped": dg.MetadataValue.json(dict(result.counts.dropped)),
            "loss_curve": dg.MetadataValue.json(curve[:: max(1, len(curve) // 100)]),
            "final_loss": curve[-1]["loss"] if curve else None,
        },
        data_version=dg.DataVersion(key),
    )


def _students(store: StoreResource) -> Path:
    return store.side_folder("students")


def _key(recipe: step.TrainConfig, inputs: list[InputRef]) -> str:
    """Name a run by all that decides its weights: another recipe or other rows never continue it."""
    return fingerprint(recipe.as_dict(), step.VERSION, inputs)[:16]


class StudentEvaluationConfig(dg.Config):
    """Which student is tried on what, how often."""

    student: str = "tiny"
    benchmark: str = "trained_problems"
    """A data set whose problems are ingested; ``trained_problems`` are those of the training rows themselves."""
    n: int = 5
    ks: list[int] = Field(default=[1, 5])
    temperature: float = 0.6
    max_tokens: int = 256
    seed: int = 0


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        deps=["student", PROBLEMS.name, TESTS.name],
        description=table.description,
        group_name=GROUP,
        skippable=True,
        owners=[OWNER],
        kinds={"parquet"},
        metadata=described(table),
        code_version=step.VERSION,
    )


@dg.multi_asset(
    specs=[_spec(table) for table in EVALUATION_TABLES], name="evaluate_student", pool=GPU_POOL, can_subset=True
)
def evaluated(
    context: dg.AssetExecutionContext, config: StudentEvaluationConfig, store: StoreResource, sandbox: SandboxResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Let a student write programs, judge them, and estimate pass@k with its standard error by problem."""
    opened = store.open()
    with fails_in_one_line():
        folder = _current(store, config.student)
    build = Build(
        tables=EVALUATION_TABLES,
        partition={},
        config=config.model_dump() | {"weights": folder.parent.name},
        code_version=step.VERSION,
        inputs=[*opened.references(PROBLEMS), *opened.references(TESTS)],
        run=lambda writers: _evaluate(opened, folder, config, sandbox, writers),
        model=config.student,
    )
    yield from materialize(context, opened, lambda _: build)


def _current(store: StoreResource, name: str) -> Path:
    pointer = _students(store) / name / "current"
    if not pointer.is_file():
        message = f"there is no student `{name}` under `{_students(store)}`; materialize the asset `student` first"
        raise InputError(message)
    return pointer.with_name(pointer.read_text(encoding="utf-8")) / name


def _evaluate(
    store: Store, folder: Path, config: StudentEvaluationConfig, sandbox: SandboxResource, writers: Writers
) -> StageCounts:
    wanted = _benchmark(store, config.benchmark)
    problems = store.open(PROBLEMS).to_table(filter=wanted)
    tests = store.open(TESTS).to_table(filter=pc.field("problem_id").isin(problems["problem_id"].unique().to_pylist()))
    asked = step.read_problems(problems.to_batches())
    sampling = Sampling(temperature=config.temperature, max_tokens=config.max_tokens, seed=config.seed)
    examiner = SandboxExaminer(problems.to_batches(), tests.select(TESTS.schema.names), config=sandbox.config())
    found = assess(asked, LocalStudent(folder), examiner, AssessConfig(config.benchmark, config.n, sampling))
    statements = dict(zip(problems["problem_id"].to_pylist(), problems["statement"].to_pylist(), strict=True))
    candidates = with_ranker_scores(found, statements, seed=config.seed)
    evaluation = evaluate_candidates(candidates)
    writers[STUDENT_CANDIDATES.name].write(candidates)
    writers[STUDENT_EVALUATION.name].write(evaluation)
    writers[EVALUATION_SUMMARY.name].write(summarize_trial(evaluation, config.ks))
    return StageCounts(rows_in=candidates.num_rows, kept=candidates.num_rows)


def _benchmark(store: Store, name: str) -> pc.Expression:
    """Select the problems of a benchmark that have tests."""
    tested = store.open(TESTS).to_table(columns=["problem_id"])["problem_id"].unique()
    if name != "trained_problems":
        return (pc.field("dataset") == name) & pc.field("problem_id").isin(tested)
    taught = store.open(PLAN_SFT_DATASET).to_table(columns=["problem_id"])["problem_id"].unique()
    return pc.field("problem_id").isin(pa.array(sorted(set(taught.to_pylist()) & set(tested.to_pylist()))))
