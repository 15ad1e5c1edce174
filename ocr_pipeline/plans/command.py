"""The command ``plan``: problems and solutions in, plans and training rows out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from ocr_pipeline.console import progress, report
from ocr_pipeline.counts import StageCounts
from ocr_pipeline.plans.config import PlanConfig, Policy
from ocr_pipeline.plans.make import make_plans
from ocr_pipeline.plans.multitask import Balance, Drawing, MultitaskConfig, build_multitask
from ocr_pipeline.store import FileWriter, open_files
from ocr_pipeline.tables import PLAN_SFT_DATASET, PLANS, PROBLEMS, SOLUTIONS, Language
from ocr_pipeline.teacher.options import Asking
from ocr_pipeline.teacher.servers import attach

__all__ = ["plan"]


def plan(  # noqa: PLR0913 - one parameter per option
    problems: Annotated[list[Path], typer.Argument(help="Problems: Parquet, JSONL or folders.")],
    *,
    solutions: Annotated[list[Path], typer.Option(help="Their solutions.")],
    url: Annotated[list[str], typer.Option(help="Base URL of the teacher; several for equal servers.")],
    model: Annotated[str, typer.Option(help="Model name as the server knows it.")],
    out: Annotated[Path, typer.Option(help="Folder for plans.parquet and plan_sft_dataset.parquet.")],
    policy: Annotated[Policy, typer.Option(help="What plans are read from.")] = Policy.SHORTEST,
    k: Annotated[int, typer.Option(min=1, help="Plans per problem, for k_diverse and forward.")] = 1,
    with_statement: Annotated[bool, typer.Option(help="Show the statement beside the solution.")] = False,
    language: Annotated[str, typer.Option(help="Programming language of the solutions.")] = "python",
    judge_model: Annotated[str | None, typer.Option(help="Model that says whether plan and solution agree.")] = None,
    plan_share: Annotated[float, typer.Option("--lambda", help="Share of the plan task, 0 to 1.")] = 0.5,
    drawing: Annotated[Drawing, typer.Option(help="Which plan comes beside a code row.")] = Drawing.PAIRED,
    balance: Annotated[Balance, typer.Option(help="Lay λ into the rows or into the weights.")] = Balance.ROWS,
    guided: Annotated[bool, typer.Option(help="Add code rows whose prompt holds the plan.")] = False,
    ledger: Annotated[Path | None, typer.Option(help="File of paid answers; the default lies in OUT.")] = None,
    api_key_env: Annotated[str | None, typer.Option(help="Environment variable that holds the key.")] = None,
    revision: Annotated[str | None, typer.Option(help="Revision that is served.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Let the teacher explain correct solutions as plans, and build the two-task training rows."""
    asking = Asking(model=model, revision=revision)
    config = PlanConfig(
        policy=policy,
        with_statement=with_statement,
        k=k,
        language=Language(language),
        opinion_model=judge_model,
    )
    multitask = MultitaskConfig(
        plan_share=plan_share, drawing=drawing, balance=balance, guided=guided, language=Language(language)
    )
    plans_file = out / "plans.parquet"
    with (
        attach(url, api_key_env) as server,
        progress("planning", unit="plans") as bar,
        FileWriter(plans_file, PLANS) as writer,
    ):
        counts = make_plans(
            _problems(problems),
            _solutions(solutions),
            config=config,
            asking=asking,
            server=server,
            ledger=ledger or out / "plans_ledger.sqlite",
            writer=writer,
            progress=bar,
        )
    rows = _build(problems, solutions, plans_file, multitask, out)
    report({"plans": counts, "plan_sft_dataset": rows}, as_json=as_json, out=out)


def _problems(paths: list[Path]) -> Iterator[pa.RecordBatch]:
    return open_files(paths, PROBLEMS, required=["problem_id", "statement"])


def _solutions(paths: list[Path]) -> Iterator[pa.RecordBatch]:
    return open_files(paths, SOLUTIONS, required=["problem_id", "solution_id", "language", "code", "is_correct"])


def _build(
    problems: list[Path], solutions: list[Path], plans_file: Path, config: MultitaskConfig, out: Path
) -> StageCounts:
    with FileWriter(out / "plan_sft_dataset.parquet", PLAN_SFT_DATASET) as writer:
        return build_multitask(
            _problems(problems), _solutions(solutions), open_files([plans_file], PLANS), config=config, writer=writer
        )
