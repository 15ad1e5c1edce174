"""Group student: a model trained on the data set, and what it can do, with honest error bars."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, create_model

from assets.materialize import fails_in_one_line, materialize, watched
from assets.metadata import OWNER, described, picture
from ocr_pipeline import student as step
from ocr_pipeline.asking import Asking, Pace
from ocr_pipeline.building import Build, Writers
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import InputError
from ocr_pipeline.evidence import line_chart
from ocr_pipeline.judge import JudgeConfig
from ocr_pipeline.judge.policy import TestsPolicy, chosen_tests
from ocr_pipeline.made_checkers import with_made_checkers
from ocr_pipeline.store import InputRef, Store, fingerprint
from ocr_pipeline.student.ablation import ablation_plot, run_ablation
from ocr_pipeline.student.arms import equal_arms, read_pool
from ocr_pipeline.student.assess import evaluate_candidates, try_in_languages
from ocr_pipeline.student.benchmark import Benchmark, read_benchmark, told_problems
from ocr_pipeline.student.config import StudentOptions
from ocr_pipeline.student.evaluation import PLAN_TRIAL
from ocr_pipeline.student.options import AblationOptions, EvaluationOptions, JointStudentOptions, StudentServer
from ocr_pipeline.student.trial import summarize_trial
from ocr_pipeline.tables import (
    ABLATION,
    CLEAN_PROBLEMS,
    EVALUATION_SUMMARY,
    GENERATED_TESTS,
    NOT_RUN,
    PLAN_SFT_DATASET,
    PROBLEMS,
    SFT_DATASET,
    STUDENT_CANDIDATES,
    STUDENT_EVALUATION,
    TEST_PROGRAMS,
    TEST_TRUST,
    TESTS,
    Table,
    selection_table,
)
from ocr_pipeline.tasks import CODEPLAN
from ocr_pipeline.teacher.servers import attach
from resources import SandboxResource, StoreResource
from resources.launchpad import fields_of

__all__ = ["TINY_JOB", "ablation", "evaluated", "student"]

GROUP: Final = "8_student"
GPU_POOL: Final = "gpu"
TINY_ANSWER_TOKENS: Final = 256
TRAINED_PROBLEMS: Final = "trained_problems"
EVALUATION_TABLES: Final = (STUDENT_CANDIDATES, STUDENT_EVALUATION, EVALUATION_SUMMARY)


StudentLaunchpad: Any = create_model(
    "StudentLaunchpad",
    __base__=dg.Config,
    name=(str, Field(default="tiny", description="Name of the student, under which it is evaluated.")),
    **fields_of(JointStudentOptions),
)
EvaluationLaunchpad: Any = create_model(
    "EvaluationLaunchpad", __base__=dg.Config, **fields_of(EvaluationOptions, StudentServer, Pace)
)


@dg.asset(
    deps=[PLAN_SFT_DATASET.name, SFT_DATASET.name, CLEAN_PROBLEMS.name, TESTS.name],
    group_name=GROUP,
    owners=[OWNER],
    kinds={"torch"},
    pool=GPU_POOL,
    code_version=step.VERSION,
)
def student(
    context: dg.AssetExecutionContext, config: StudentLaunchpad, store: StoreResource
) -> dg.MaterializeResult[Any]:
    """Train a student: plain on the reasoning data set, or jointly on code and plans."""
    with fails_in_one_line():
        opened, options = store.open(), JointStudentOptions.of(config)
        recipe = options.recipe
        table = SFT_DATASET if recipe.objective is step.Objective.SFT else PLAN_SFT_DATASET
        is_asked = table is SFT_DATASET  # rows of plans hold their prompts
        tests = opened.batches(TESTS) if options.as_benchmark else None
        problems = told_problems(opened.batches(CLEAN_PROBLEMS), tests) if is_asked else {}
        read = [table, *([CLEAN_PROBLEMS] if is_asked else []), *([TESTS] if is_asked and options.as_benchmark else [])]
        inputs = [one for each in read for one in opened.references(each)]
        key = _key(options, inputs)
        folder = _students(store) / config.name / key / config.name  # the last part is the student's name in the tables
        rows = step.read_rows(
            opened.batches(table),
            problems,
            wording=options.wording,
            languages=options.languages,
        )
        bar = watched(context, f"training {config.name}", "steps")
        result = step.train(rows, recipe, folder, wording=options.wording, progress=bar)
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


def _key(options: JointStudentOptions, inputs: list[InputRef]) -> str:
    """Name a run by all that decides its weights: another recipe or other rows never continue it."""
    rows: dict[str, Any] = {"prompt": options.wording.sha256, "languages": sorted(options.languages)}
    rows |= {"as_benchmark": True} if options.as_benchmark else {}
    return fingerprint(options.recipe.plain() | rows, step.VERSION, inputs)[:16]


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        deps=["student", PROBLEMS.name, TESTS.name, GENERATED_TESTS.name],
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
    context: dg.AssetExecutionContext, config: EvaluationLaunchpad, store: StoreResource, sandbox: SandboxResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Let students write programs, judge them, and estimate pass@k with its standard error by problem."""
    opened = store.open()
    with fails_in_one_line():
        options, served = EvaluationOptions.of(config), _Served(StudentServer.of(config), Pace.of(config))
        judge = sandbox.options(JudgeConfig)
        weights = {} if served.connection.urls else {name: _current(store, name) for name in options.students}
    build = Build(
        tables=EVALUATION_TABLES,
        partition={},
        config=options.settings
        | options.recipe.settings
        | {
            "weights": {name: folder.parent.name for name, folder in weights.items()},
            "prompt_sha256": options.wording.sha256 if options.wording else None,
            "opens_thought": served.connection.opens_thought,
        }
        | ({} if options.tests_policy is TestsPolicy.SOURCE else {"tests_policy": options.tests_policy}),
        code_version=step.VERSION,
        inputs=[one for table in (PROBLEMS, TESTS, *_read_for(options)) for one in opened.references(table)],
        run=lambda writers: _evaluate(_Trial(context, store, weights, options, served, judge), writers),
        model=", ".join(options.students),
        repeat_for=frozenset({NOT_RUN} if served.connection.urls else ()),  # what was not answered is asked again
    )
    yield from materialize(context, opened, lambda _: build)


def _current(store: StoreResource, name: str) -> Path:
    pointer = _students(store) / name / "current"
    if not pointer.is_file():
        message = f"there is no student `{name}` under `{_students(store)}`; materialize the asset `student` first"
        raise InputError(message)
    return pointer.with_name(pointer.read_text(encoding="utf-8")) / name


@dataclass(frozen=True, slots=True)
class _Served:
    """Where students that are served answer, and how they are asked."""

    connection: StudentServer
    pace: Pace


@dataclass(frozen=True, slots=True)
class _Trial:
    """Everything that an evaluation needs."""

    context: dg.AssetExecutionContext
    store: StoreResource
    weights: Mapping[str, Path]
    options: EvaluationOptions
    served: _Served
    judge: JudgeConfig


def _evaluate(trial: _Trial, writers: Writers) -> StageCounts:
    opened, tables, outcomes = trial.store.open(), [], Counter[str]()
    for name in trial.options.benchmarks:
        asked = _benchmark(opened, name, trial.options)
        outcomes.update({"asked": asked.counts.kept, **asked.counts.dropped})
        for student_name in trial.options.students:
            with _opened(trial, student_name) as one:
                languages = trial.options.languages_of(one.languages)
                config = trial.options.recipe.assess(name)
                tables.append(try_in_languages(asked, one, languages, config, trial.judge))
    candidates = pa.concat_tables(tables)
    evaluation = evaluate_candidates(candidates)
    writers[STUDENT_CANDIDATES.name].write(candidates)
    writers[STUDENT_EVALUATION.name].write(evaluation)
    recipe = trial.options.recipe
    summary = summarize_trial(evaluation, recipe.ks, by_difficulty=recipe.by_difficulty)
    writers[EVALUATION_SUMMARY.name].write(summary)
    notes = {f"problems {reason}": count for reason, count in outcomes.items()}
    final = candidates.filter(pc.not_equal(candidates["sampling"], PLAN_TRIAL))
    not_run = final.filter(pc.equal(final["verdict"], NOT_RUN)).num_rows
    return StageCounts(final.num_rows, final.num_rows - not_run, {NOT_RUN: not_run} if not_run else {}, notes)


def _benchmark(store: Store, name: str, config: EvaluationOptions) -> Benchmark:
    """Read a data set as a benchmark, or the problems that the training rows are about."""
    recipe = config.recipe
    if name == TRAINED_PROBLEMS:
        taught = store.open(PLAN_SFT_DATASET).to_table(columns=["problem_id"])["problem_id"].unique()
        problems = store.batches(PROBLEMS, where=pc.field("problem_id").isin(taught))
        made = _made(store, config)
        asked, judged_by = _judged_by(config.tests_policy, store, problems, store.batches(TESTS))
        return read_benchmark(name, asked, judged_by, window=recipe.window, made=made)
    known = sorted(keys["dataset"] for keys in store.partitions(PROBLEMS))
    if name not in known:
        raise InputError(f"no data set `{name}` is ingested; there are {', '.join(known)} and {TRAINED_PROBLEMS}")
    problems, tests = (store.open(table, dataset=name).to_batches() for table in (PROBLEMS, TESTS))
    asked, judged_by = _judged_by(config.tests_policy, store, problems, tests, dataset=name)
    made = _made(store, config, dataset=name)
    return read_benchmark(name, asked, judged_by, window=recipe.window, split=recipe.split, made=made)


def _read_for(config: EvaluationOptions) -> list[Table]:
    """Return the further tables that tests are taken from."""
    if config.tests_policy is not TestsPolicy.SOURCE:
        return [GENERATED_TESTS, TEST_TRUST, TEST_PROGRAMS]
    return [GENERATED_TESTS] if config.made_inputs else []


def _judged_by(
    policy: TestsPolicy,
    store: Store,
    problems: Iterable[pa.RecordBatch],
    tests: Iterable[pa.RecordBatch],
    **partition: str,
) -> tuple[Iterable[pa.RecordBatch], Iterable[pa.RecordBatch]]:
    """Return the problems, with the teacher's checkers, and the tests of a policy."""
    if policy is TestsPolicy.SOURCE:
        return problems, tests

    def rows(table: Table) -> Iterable[pa.RecordBatch]:
        is_there = any(partition.items() <= keys.items() for keys in store.partitions(table))
        return store.batches(table, **partition) if is_there else ()

    generated = list(rows(GENERATED_TESTS))
    if not generated:
        raise InputError(
            f"tests_policy is {policy}, but there are no generated tests; materialize generated_tests first"
        )
    flags = [row for batch in rows(TEST_TRUST) for row in batch.to_pylist()]
    chosen = chosen_tests(policy, lambda _: tests, lambda _: generated, flags)
    return with_made_checkers(problems, rows(TEST_PROGRAMS)), chosen(())


def _made(store: Store, config: EvaluationOptions, **partition: str) -> Iterable[pa.RecordBatch]:
    return store.batches(GENERATED_TESTS, **partition) if config.made_inputs else ()


AblationLaunchpad: Any = create_model(
    "AblationLaunchpad",
    __base__=dg.Config,
    benchmark=(
        str,
        Field(default=TRAINED_PROBLEMS, description="Ingested data set; trained_problems are those of the rows."),
    ),
    **fields_of(StudentOptions, AblationOptions),
)


@dg.asset(
    name=ABLATION.name,
    deps=[SFT_DATASET.name, CLEAN_PROBLEMS.name, PROBLEMS.name, TESTS.name],
    group_name=GROUP,
    owners=[OWNER],
    kinds={"torch", "parquet"},
    pool=GPU_POOL,
    description=ABLATION.description,
    metadata=described(ABLATION),
    code_version=step.VERSION,
)
def ablation(
    context: dg.AssetExecutionContext, config: AblationLaunchpad, store: StoreResource, sandbox: SandboxResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Train students on parts of the data set, of equal size, and compare them problem by problem."""
    opened = store.open()
    with fails_in_one_line():
        training, options = StudentOptions.of(config), AblationOptions.of(config)
        tables = [SFT_DATASET, *(selection_table(name) for name in options.selections)]
        problems = {one.problem_id: one for one in step.read_problems(opened.open(CLEAN_PROBLEMS).to_batches())}
        taught, *more = (
            list(read_pool(opened.open(table).to_batches(), problems, training.wording, training.languages))
            for table in tables
        )
        trial = options.configured(training, sandbox.options(JudgeConfig), config.benchmark)
    plots: list[bytes] = []

    def run(writers: Writers) -> StageCounts:
        named = {name: [each.row for each in rows] for name, rows in zip(options.selections, more, strict=True)}
        arms = equal_arms(taught, named, wanted=options.arms, size=options.arm_rows, seed=training.recipe.seed)
        benchmark = _ablated(opened, config.benchmark, options, {each.row.problem_id for each in taught})
        found = run_ablation(
            arms,
            benchmark,
            trial,
            store.side_folder("students") / "ablation" / key,
            progress=watched(context, "arms", "students"),
        )
        plots.append(ablation_plot(found.table))
        writers[ABLATION.name].write(found.table)
        return StageCounts(
            found.table.num_rows, found.table.num_rows, {}, {f"rows {arm}": len(arms[arm]) for arm in arms}
        )

    inputs = [*(one for table in tables for one in opened.references(table)), *opened.references(CLEAN_PROBLEMS)]
    settings = options.settings | {
        "training": training.settings | training.recipe.settings,
        "benchmark": config.benchmark,
    }
    settings |= {"prompt_sha256": training.wording.sha256}
    if options.selections and training.languages:
        settings |= {"selections_by_language": True}  # once they were not: what was made then is stale
    key = fingerprint(settings, step.VERSION, inputs)[:16]
    build = Build(
        tables=(ABLATION,),
        partition={},
        config=settings,
        code_version=step.VERSION,
        inputs=[*inputs, *opened.references(PROBLEMS), *opened.references(TESTS)],
        run=run,
    )
    yield from materialize(
        context, opened, lambda _: build, lambda *_: {"differences": picture(plots[0])} if plots else {}
    )


def _ablated(opened: Store, name: str, options: AblationOptions, taught: Collection[str]) -> Benchmark:
    recipe = options.ablated
    if name == TRAINED_PROBLEMS:
        problems, tests = (opened.open(table).to_batches() for table in (PROBLEMS, TESTS))
        return read_benchmark(name, problems, tests, problem_ids=taught)
    problems, tests = (opened.open(table, dataset=name).to_batches() for table in (PROBLEMS, TESTS))
    return read_benchmark(name, problems, tests, window=recipe.window, split=recipe.split)


@contextmanager
def _opened(trial: _Trial, name: str) -> Iterator[step.LocalStudent | step.ServedStudent]:
    folder = trial.weights.get(name)
    if folder is not None:
        yield step.LocalStudent(folder, wording=trial.options.wording)
        return
    ledger = trial.store.side_folder("ledger") / "students.sqlite"
    with attach(trial.served.connection.urls, trial.served.connection.api_key_env) as server:
        progress = watched(trial.context, f"asking {name}", "answers")
        yield step.ServedStudent(
            name,
            server,
            ledger,
            Asking.of(trial.served.pace, model=name),
            progress=progress,
            wording=trial.options.wording or CODEPLAN,
            opens_thought=trial.served.connection.opens_thought,
        )


TINY_JOB: Final = dg.define_asset_job(
    "tiny_student",
    selection=["student", *(table.name for table in EVALUATION_TABLES)],
    owners=[OWNER],
    tags={"costs": "cpu"},
    description="Train and try a tiny student on a CPU; its launchpad shows every option with this preset's value.",
    config={
        "ops": {
            "student": {"config": StudentLaunchpad().model_dump(exclude_none=True, warnings=False)},
            "evaluate_student": {
                "config": EvaluationLaunchpad(max_tokens=TINY_ANSWER_TOKENS).model_dump(
                    exclude_none=True, warnings=False
                )
            },
        }
    },
)
"""The launchpad preset ``tiny``."""
