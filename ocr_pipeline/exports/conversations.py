"""Rows of supervised training in the forms of trainers and of the released data sets.

The shapes are those of TRL (``messages``; conversational ``prompt`` and ``completion``, which prime-rl reads too), of
ShareGPT as LLaMA-Factory reads it, and of the two OpenCodeReasoning releases, in which every column is text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.exports.options import ExportOptions, Format, PromptForm, Reviewed
from ocr_pipeline.exports.outcome import Outcome
from ocr_pipeline.exports.statements import WITHHELD, Statements
from ocr_pipeline.prompts import Prompt
from ocr_pipeline.tables import Language, Table
from ocr_pipeline.teacher.prompts import solve_prompt

__all__ = ["TABLES", "Critiques", "Review", "conversations"]

TURN: Final = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
SHARED: Final = (
    "id",
    "problem_id",
    "sample_id",
    "language",
    "source",
    "license",
    "dataset",
    "split",
    "difficulty",
    "model",
)
LANGUAGES: Final = {Language.PYTHON: "Python 3", Language.CPP: "C++17"}
RELEASED: Final = ("id", "input", "output", "source", "license", "dataset", "split", "difficulty", "solution")
RELEASED_2: Final = (
    "question",
    "r1_generation",
    "qwq_critique",
    "solution",
    "judgement",
    "pass_rate",
    "source",
    "license",
    "dataset",
    "split",
    "difficulty",
    "index",
    "id",
    "question_id",
    "agrees",
)
"""Those of OpenCodeReasoning-2, and whether the critic's judgement is that of the tests."""
NOT_RUN: Final = "-1"
"""The pass rate of a row that was not run, as OpenCodeReasoning-2 writes it."""


class Drop(StrEnum):
    """Why a row of the data set is not exported."""

    NO_STATEMENT = "no_statement"
    NO_OUTPUT = "no_output"
    NO_PROBLEM = "no_problem"
    OTHER_LANGUAGE = "other_language"
    NO_CRITIQUE = "no_critique"
    CRITIC_DISAGREES = "critic_disagrees"


@dataclass(frozen=True, slots=True)
class Review:
    """What a critic said of one sample; all of it empty where none spoke, or none that could be read."""

    critique: str = ""
    judgement: str = ""
    agrees: bool | None = None


UNREVIEWED: Final = Review()
Critiques = Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Review]]
"""Gives the reviews of some rows of the data set, by sample."""


def _texts(name: str, columns: tuple[str, ...], description: str) -> Table:
    return Table(name, description, pa.schema([(column, pa.string()) for column in columns]), ())


def _turns(name: str, columns: tuple[str, ...], description: str) -> Table:
    fields = [*((column, TURN) for column in columns), *((column, pa.string()) for column in SHARED)]
    return Table(name, description, pa.schema([*fields, ("pass_rate", pa.float64())]), (), row_group_rows=512)


TABLES: Final[Mapping[tuple[str, str], Table]] = {
    (Format.MESSAGES, "train"): _turns("messages", ("messages",), "Chats of one question and one answer."),
    (Format.PROMPT_COMPLETION, "train"): _turns(
        "prompt_completion", ("prompt", "completion"), "Questions and answers; the loss is on the answer."
    ),
    (Format.OCR, "split_0"): _texts("split_0", RELEASED, "The columns of OpenCodeReasoning, with statements."),
    (Format.OCR, "split_1"): _texts("split_1", (*RELEASED, "index"), "The same with statements to be joined by index."),
    (Format.OCR2, "*"): _texts("ocr2", RELEASED_2, "The columns of OpenCodeReasoning-2, and agrees."),
}
"""Formats that are Parquet, by file; any other file of a format has its ``*``."""


def conversations(
    batches: Iterator[pa.RecordBatch],
    statements: Statements,
    bands: Mapping[str, str],
    options: ExportOptions,
    form: Format,
    critiques: Critiques = lambda _: {},
) -> Iterator[Outcome]:
    """Yield one outcome per row of ``sft_dataset``: what is written, or why it is not.

    Parameters
    ----------
    batches
        Rows of ``sft_dataset``.
    statements
        Decides which texts may be handed on, and knows withheld ones.
    bands
        The difficulty of problems, where somebody measured it.
    options, form
        What is exported.
    critiques
        What critics said, by sample, of the rows that are read together.
    """
    shape = SHAPES[form]
    for batch in batches:
        rows = batch.to_pylist()
        said = critiques(rows) if form is Format.OCR2 else {}
        for row in rows:
            row["review"] = said.get(row["sample_id"], UNREVIEWED)
            reason, text = _statement(row, statements, options, form)
            if reason is not None:
                yield Outcome(reason)
                continue
            facets = {name: row[name] or "" for name in ("source", "split", "difficulty", "language", "model")}
            facets |= {"dataset": statements.dataset_of(row), "band": bands.get(row["problem_id"], "unknown")}
            file, values = shape(row, text, statements, options)
            yield Outcome(None, row["sample_id"] or row["id"], facets, file, values)


def _statement(
    row: Mapping[str, Any], statements: Statements, options: ExportOptions, form: Format
) -> tuple[str | None, str]:
    """Return why a row is left out, or its statement; the released forms hold withheld ones as a placeholder."""
    if options.language is not None and row["language"] != options.language:
        return Drop.OTHER_LANGUAGE, ""
    if not (row["output"] or "").strip():
        return Drop.NO_OUTPUT, ""
    if form is Format.OCR2 and (unwanted := _unwanted(row["review"], options.reviewed)):
        return unwanted, ""
    text = statements.of_row(row)
    if text == WITHHELD and form not in {Format.OCR, Format.OCR2}:
        return statements.why_withheld(row), ""
    if options.prompt is PromptForm.TEACHER and row["problem_id"] not in statements.problems:
        return Drop.NO_PROBLEM, ""
    return (None, text) if text.strip() else (Drop.NO_STATEMENT, "")


def _unwanted(review: Review, wanted: Reviewed) -> Drop | None:
    """Return why a row is left out by what a critic said of it."""
    if wanted is Reviewed.ANY:
        return None
    if not review.critique:
        return Drop.NO_CRITIQUE
    return Drop.CRITIC_DISAGREES if wanted is Reviewed.AGREEING and not review.agrees else None


def _prompt(row: Mapping[str, Any], statement: str, statements: Statements, options: ExportOptions) -> str:
    if options.prompt is PromptForm.STATEMENT:
        return statement
    if options.prompt is PromptForm.SHORT:
        language = LANGUAGES.get(row["language"], row["language"] or "any language")
        return Prompt.load("ocr_pipeline.exports", "short").fill(statement=statement, language=language).rstrip("\n")
    problem = statements.problems[row["problem_id"]]
    return solve_prompt(
        statement,
        Language(row["language"]),
        io_mode=problem.io_mode,
        starter_code=problem.starter_code,
        function_name=problem.function_name,
    )


Shape = Callable[[Mapping[str, Any], str, Statements, ExportOptions], tuple[str, dict[str, Any]]]


def _messages(
    row: Mapping[str, Any], text: str, statements: Statements, options: ExportOptions
) -> tuple[str, dict[str, Any]]:
    asked, answered = _turn("user", _prompt(row, text, statements, options)), _turn("assistant", row["output"])
    return "train", {"messages": [asked, answered], **_shared(row)}


def _prompt_completion(
    row: Mapping[str, Any], text: str, statements: Statements, options: ExportOptions
) -> tuple[str, dict[str, Any]]:
    asked, answered = _turn("user", _prompt(row, text, statements, options)), _turn("assistant", row["output"])
    return "train", {"prompt": [asked], "completion": [answered], **_shared(row)}


def _sharegpt(
    row: Mapping[str, Any], text: str, statements: Statements, options: ExportOptions
) -> tuple[str, dict[str, Any]]:
    turns = [
        {"from": "human", "value": _prompt(row, text, statements, options)},
        {"from": "gpt", "value": row["output"]},
    ]
    return "train", {"conversations": turns, **_shared(row)}


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _shared(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in SHARED} | {"pass_rate": row["pass_rate"]}


def _released(row: Mapping[str, Any], text: str, _: Statements, __: ExportOptions) -> tuple[str, dict[str, Any]]:
    """Put rows with their statement into ``split_0``, and those to be joined by ``index`` into ``split_1``."""
    values = {name: row[name] or "" for name in (*RELEASED, "index")} | {"input": text}
    return "split_1" if text == WITHHELD else "split_0", values


def _released_2(row: Mapping[str, Any], text: str, _: Statements, __: ExportOptions) -> tuple[str, dict[str, Any]]:
    """Put each language into a split of its own; a row that no critic saw has an empty critique and judgement."""
    review: Review = row["review"]
    values = {name: row[name] or "" for name in RELEASED_2 if name in row} | {
        "question": text,
        "r1_generation": row["output"],
        "qwq_critique": review.critique,
        "judgement": review.judgement,
        "agrees": "" if review.agrees is None else str(review.agrees).lower(),
        "pass_rate": NOT_RUN if row["pass_rate"] is None or math.isnan(row["pass_rate"]) else str(row["pass_rate"]),
        "id": row["sample_id"] or row["id"] or "",
        "question_id": row["id"] or "",
    }
    return row["language"] if row["language"] in set(Language) else "other", values


SHAPES: Final[Mapping[str, Shape]] = {
    Format.MESSAGES: _messages,
    Format.PROMPT_COMPLETION: _prompt_completion,
    Format.SHAREGPT: _sharegpt,
    Format.OCR: _released,
    Format.OCR2: _released_2,
}
