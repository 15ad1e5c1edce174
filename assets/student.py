"""Group student: a model trained on the data set, and what it can do, with honest error bars."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from assets.materialize import fails_in_one_line, materialize, watched
from assets.metadata import OWNER, described, picture
from ocr_pipeline import student as step
from ocr_pipeline.building import Build, Writers
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.evidence import line_chart
from ocr_pipeline.store import InputRef, Store, fingerprint
from ocr_pipeline.student.assess import PLAN_TRIAL, AssessConfig, evaluate_candidates, try_benchmark
from ocr_pipeline.student.benchmark import Benchmark, read_benchmark
from ocr_pipeline.student.evaluation import NOT_RUN
from ocr_pipeline.student.generation import Sampling
from ocr_pipeline.student.plan_sampling import PlanSamplingConfig
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
from ocr_pipeline.teacher.options import Asking
from ocr_pipeline.teacher.servers import attach
from resources import SandboxResource, StoreResource

__all__ = ["TINY_JOB", "StudentConfig", "StudentEvaluationConfig", "evaluated", "student"]

GROUP: Final = "8_student"
GPU_POOL: Final = "gpu"
TRAINED_PROBLEMS: Final = "trained_problems"
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
        return base.replaced(
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
            "losses": picture(_loss_plot(result.curve)),
            "loss_curve": dg.MetadataValue.json(curve[:: max(1, len(curve) // 100)]),
            "final_loss": curve[-1]["loss"] if curve else None,
        },
        data_version=dg.DataVersion(key),
    )


def _loss_plot(curve: Sequence[step.LossPoint]) -> bytes:
    losses = {"minimised": "loss", "code": "code_loss", "plan": "plan_loss"}
    series = {title: [(point.step, getattr(point, name)) for point in curve] for title, name in losses.items()}
    return line_chart(series, title="loss per target token, by optimizer step")


def _students(store: StoreResource) -> Path:
    return store.side_folder("students")


def _key(recipe: step.TrainConfig, inputs: list[InputRef]) -> str:
    """Name a run by all that decides its weights: another recipe or other rows never continue it."""
    return fingerprint(recipe.plain(), step.VERSION, inputs)[:16]


class StudentEvaluationConfig(dg.Config):
    """Which students are tried on what, how often."""

    students: list[str] = Field(default=["tiny"], description="Trained students; with urls, names on the server.")
    benchmarks: list[str] = Field(
        default=["trained_problems"],
        description="Ingested data sets; trained_problems are those of the training rows themselves.",
    )
    split: str = Field(default="", description="Only problems of this split, such as test; empty: of all.")
    since: str = Field(default="", description="First contest day, as 2024-08-01; empty: problems of any day.")
    until: str = Field(default="", description="Last contest day; empty: problems of any day.")
    n: int = Field(default=5, description="Programs per problem.")
    ks: list[int] = Field(default=[1, 5], description="The k of pass@k.")
    plans: int = Field(default=0, description="Plans per problem; 0 leaves plan sampling out.")
    codes_per_plan: int = Field(default=2, description="Programs that try each plan.")
    temperature: float = 0.6
    max_tokens: int = 256
    seed: int = 0
    urls: list[str] = Field(default=[], description="Servers that answer as an OpenAI-compatible API, such as vLLM.")
    api_key_env: str = Field(default="", description="Environment variable that holds the servers' key.")

    @property
    def window(self) -> step.Window | None:
        """Return the days that are asked for."""
        if not self.since and not self.until:
            return None
        return step.Window(_day(self.since) or date.min, _day(self.until) or date.max)

    def assess(self, benchmark: str) -> AssessConfig:
        """Return how a student is tried."""
        sampling = Sampling(temperature=self.temperature, max_tokens=self.max_tokens, seed=self.seed)
        planned = PlanSamplingConfig(self.plans, self.codes_per_plan, self.n, sampling) if self.plans else None
        return AssessConfig(benchmark, self.n, sampling, planned)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InputError(f"`{text}` is no day; write it as 2024-08-01") from None


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
    """Let students write programs, judge them, and estimate pass@k with its standard error by problem."""
    opened = store.open()
    with fails_in_one_line():
        weights = {} if config.urls else {name: _current(store, name) for name in config.students}
    build = Build(
        tables=EVALUATION_TABLES,
        partition={},
        config=config.model_dump() | {"weights": {name: folder.parent.name for name, folder in weights.items()}},
        code_version=step.VERSION,
        inputs=[*opened.references(PROBLEMS), *opened.references(TESTS)],
        run=lambda writers: _evaluate(context, store, weights, config, sandbox, writers),
        model=", ".join(config.students),
        repeat_for=frozenset({NOT_RUN} if config.urls else ()),  # what was not answered is asked again
    )
    yield from materialize(context, opened, lambda _: build)


def _current(store: StoreResource, name: str) -> Path:
    pointer = _students(store) / name / "current"
    if not pointer.is_file():
        message = f"there is no student `{name}` under `{_students(store)}`; materialize the asset `student` first"
        raise InputError(message)
    return pointer.with_name(pointer.read_text(encoding="utf-8")) / name


def _evaluate(
    context: dg.AssetExecutionContext,
    store: StoreResource,
    weights: Mapping[str, Path],
    config: StudentEvaluationConfig,
    sandbox: SandboxResource,
    writers: Writers,
) -> StageCounts:
    opened, tables, outcomes = store.open(), [], Counter[str]()
    for name in config.benchmarks:
        asked = _benchmark(opened, name, config)
        outcomes.update({"asked": asked.counts.kept, **asked.counts.dropped})
        for student_name in config.students:
            with _opened(context, store, student_name, weights.get(student_name), config) as one:
                tables.append(try_benchmark(asked, one, config.assess(name), sandbox.config()))
    candidates = pa.concat_tables(tables)
    evaluation = evaluate_candidates(candidates)
    writers[STUDENT_CANDIDATES.name].write(candidates)
    writers[STUDENT_EVALUATION.name].write(evaluation)
    writers[EVALUATION_SUMMARY.name].write(summarize_trial(evaluation, config.ks))
    notes = {f"problems {reason}": count for reason, count in outcomes.items()}
    final = candidates.filter(pc.not_equal(candidates["sampling"], PLAN_TRIAL))
    not_run = final.filter(pc.equal(final["verdict"], NOT_RUN)).num_rows
    return StageCounts(final.num_rows, final.num_rows - not_run, {NOT_RUN: not_run} if not_run else {}, notes)


def _benchmark(store: Store, name: str, config: StudentEvaluationConfig) -> Benchmark:
    """Read a data set as a benchmark, or the problems that the training rows are about."""
    if name == TRAINED_PROBLEMS:
        taught = store.open(PLAN_SFT_DATASET).to_table(columns=["problem_id"])["problem_id"].unique()
        problems = store.open(PROBLEMS).to_batches(filter=pc.field("problem_id").isin(taught))
        return read_benchmark(name, problems, store.open(TESTS).to_batches(), window=config.window)
    known = sorted(keys["dataset"] for keys in store.partitions(PROBLEMS))
    if name not in known:
        raise InputError(f"no data set `{name}` is ingested; there are {', '.join(known)} and {TRAINED_PROBLEMS}")
    wanted = pc.field("split") == config.split if config.split else None
    problems = store.open(PROBLEMS, dataset=name).to_batches(filter=wanted)
    return read_benchmark(name, problems, store.open(TESTS, dataset=name).to_batches(), window=config.window)


@contextmanager
def _opened(
    context: dg.AssetExecutionContext,
    store: StoreResource,
    name: str,
    folder: Path | None,
    config: StudentEvaluationConfig,
) -> Iterator[step.Student]:
    if folder is not None:
        yield step.LocalStudent(folder)
        return
    ledger = store.side_folder("ledger") / "students.sqlite"
    with attach(config.urls, config.api_key_env or None) as server:
        progress = watched(context, f"asking {name}", "answers")
        yield step.ServedStudent(name, server, ledger, Asking(model=name), progress=progress)


TINY_JOB: Final = dg.define_asset_job(
    "tiny_student",
    selection=["student", *(table.name for table in EVALUATION_TABLES)],
    description="Train and try a tiny student on a CPU; its launchpad shows every option with this preset's value.",
    config={
        "ops": {
            "student": {"config": StudentConfig().model_dump(exclude_none=True)},
            "evaluate_student": {"config": StudentEvaluationConfig().model_dump()},
        }
    },
)
"""The launchpad preset ``tiny``."""
