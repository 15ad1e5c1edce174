"""What an export reads: tables that are named one by one, or found in a data root or in a command's output folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ocr_pipeline.critiques.options import Kind
from ocr_pipeline.errors import OptionError
from ocr_pipeline.exports.conversations import Critiques, Review, conversations
from ocr_pipeline.exports.options import RL_FORMATS, ExportOptions, Format, PromptForm, Reviewed
from ocr_pipeline.exports.outcome import Outcome
from ocr_pipeline.exports.rewards import Attempts, Evidence, rewards
from ocr_pipeline.exports.statements import Statements
from ocr_pipeline.steps import FileRows, Read
from ocr_pipeline.store import open_files, rows_of, rows_of_problems
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    CRITIQUES,
    PROBLEM_DIFFICULTY,
    PROBLEMS,
    SFT_DATASET,
    TEST_TRUST,
    TESTS,
    Language,
    Table,
)

__all__ = ["Inputs", "inside", "lenient", "outcomes"]

PROBLEMS_AT_ONCE: Final = 32
"""Problems whose tests are in memory together."""
KEPT: Final = "kept"
NO_JUDGEMENT: Final = "none"


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files and folders that a person named."""

    paths: Sequence[Path]
    problems: Sequence[Path] = ()
    tests: Sequence[Path] = ()
    trust: Sequence[Path] = ()
    difficulty: Sequence[Path] = ()
    critiques: Sequence[Path] = ()


def lenient(table: Table) -> Table:
    """Return the table with columns that may all be null: a row that lacks something is dropped, not the file."""
    return replace(table, schema=pa.schema([field.with_nullable(True) for field in table.schema]))  # noqa: FBT003


def inside(paths: Sequence[Path], *tables: Table) -> list[Path]:
    """Return where a table is in folders that hold several; a path that holds none of them is what it says."""
    return [_in_one(path, tables) or path for path in paths]


def _in_one(path: Path, tables: Sequence[Table]) -> Path | None:
    places = (place for table in tables for place in (path / f"{table.name}.parquet", path / table.name))
    return next((place for place in places if place.exists()), None)


def _also(given: Sequence[Path], paths: Sequence[Path], table: Table) -> list[Path]:
    """Return the files of a table: those that were given, else those that lie where the main one was found."""
    return list(given) or [found for path in paths if (found := _in_one(path, (table,))) is not None]


def outcomes(inputs: Inputs, form: Format, options: ExportOptions, left_out: Counter[str]) -> Iterator[Outcome]:
    """Yield what becomes of each row.

    Raises
    ------
    InputError
        When a file cannot be read or lacks a column.
    OptionError
        When the format needs something that was not given, or critiques are wanted that it does not hold.
    """
    _require_critiques(form, options)
    attempts = _attempts(_also(inputs.difficulty, inputs.paths, PROBLEM_DIFFICULTY), options.difficulty_model)
    if form in RL_FORMATS:
        yield from _rewards(inputs, attempts, form, options, left_out)
        return
    if options.prompt is PromptForm.TEACHER and not inputs.problems:
        raise OptionError("--prompt teacher needs --problems: they say whether a function is asked for")
    rows = open_files(inside(inputs.paths, SFT_DATASET), lenient(SFT_DATASET), required=("input", "output"))
    known = open_files(inputs.problems, lenient(CLEAN_PROBLEMS), required=("problem_id", "statement"))
    statements = Statements(options.text_policy, options.redistributable, known)
    bands = {problem_id: str(found.band) for problem_id, found in attempts.items() if found.band}
    yield from conversations(rows, statements, bands, options, form, _critiques(inputs, options))


def _require_critiques(form: Format, options: ExportOptions) -> None:
    """Refuse options about critiques that would do nothing, or leave nothing."""
    if form is not Format.OCR2 and (options.reviewed is not Reviewed.ANY or options.critique_kind is not Kind.CRITIQUE):
        option = "critique_kind" if options.reviewed is Reviewed.ANY else "reviewed"
        message = f"{option} is for ocr2, the only format that holds critiques; the format is {form}"
        raise OptionError(message)
    if options.reviewed is Reviewed.AGREEING and options.critique_kind is Kind.EXPLAIN:
        raise OptionError("reviewed must be any or reviewed for explain, which judges nothing, got `agreeing`")


def _critiques(inputs: Inputs, options: ExportOptions) -> Critiques:
    """Look critiques up where the rows are: they are as long as answers."""
    critiques = FileRows(
        tuple(_also(inputs.critiques, inputs.paths, CRITIQUES)),
        Read(lenient(CRITIQUES), ("sample_id", "kind", "problem_id", "critique", "judgement", "agrees", "verdict")),
    )
    if options.reviewed is not Reviewed.ANY and not critiques.exist:
        message = (
            f"reviewed is {options.reviewed}, but there are no critiques: give --critiques, or a folder that holds them"
        )
        raise OptionError(message)

    def of(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Review]:
        ids = {row["problem_id"] for row in rows if row["problem_id"]}
        return {
            row["sample_id"]: Review(
                row["critique"], "" if row["judgement"] == NO_JUDGEMENT else row["judgement"], row["agrees"]
            )
            for row in rows_of(critiques.of(ids) if ids and critiques.exist else ())
            if row["kind"] == options.critique_kind and row["verdict"] == KEPT
        }

    return of


def _rewards(
    inputs: Inputs, attempts: Mapping[str, Attempts], form: Format, options: ExportOptions, left_out: Counter[str]
) -> Iterator[Outcome]:
    if options.language is Language.CPP and form is not Format.PRIME_RL:
        message = f"language must be python for {form}, whose graders run nothing else, got `cpp`"
        raise OptionError(message)
    tests = FileRows(
        tuple(_also(inputs.tests, inputs.paths, TESTS)), Read(lenient(TESTS), ("problem_id", "input", "expected"))
    )
    if not tests.exist:
        message = f"--format {form} needs the tests of the problems: give --tests, or a folder that holds both"
        raise OptionError(message)
    trust = _also(inputs.trust, inputs.paths, TEST_TRUST)
    evidence = _evidence(trust, attempts)
    rows = open_files(
        inside(inputs.paths, CLEAN_PROBLEMS, PROBLEMS), lenient(CLEAN_PROBLEMS), required=("problem_id", "statement")
    )
    few = (
        batch.slice(start, PROBLEMS_AT_ONCE) for batch in rows for start in range(0, batch.num_rows, PROBLEMS_AT_ONCE)
    )
    statements = Statements(options.text_policy, options.redistributable)

    def tests_of(problem_ids: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        found: dict[str, list[Mapping[str, Any]]] = {problem_id: [] for problem_id in problem_ids}
        for row in rows_of_problems(tests.of(problem_ids) if problem_ids else (), found):
            listed = found[row["problem_id"]]
            listed.append({"kind": None, "suspicions": (), "test_id": f"{len(listed):06}"} | row)
        return found

    yield from rewards(few, tests_of, statements, evidence, options, form, left_out)


def _attempts(paths: Sequence[Path], model: str | None) -> dict[str, Attempts]:
    found: dict[str, Attempts] = {}
    batches = open_files(paths, PROBLEM_DIFFICULTY, required=("problem_id", "n", "accepted"))
    for row in rows_of(batches, ["problem_id", "model", "n", "accepted"]):
        if model is None or row["model"] == model:
            n, accepted = row["n"], row["accepted"]
            one = Attempts(n, accepted, ((row["model"], n, accepted),))
            found[row["problem_id"]] = found.get(row["problem_id"], Attempts()) + one
    return found


def _evidence(paths: Sequence[Path], attempts: Mapping[str, Attempts]) -> Evidence:
    if not paths:
        return Evidence(attempts)
    flags: dict[str, str] = {}
    untrusted: dict[str, set[str]] = {}
    needed = ("problem_id", "test_id", "flag")
    for row in rows_of(open_files(paths, TEST_TRUST, required=needed), needed):
        if row["test_id"] is None:
            flags[row["problem_id"]] = row["flag"]
        else:
            untrusted.setdefault(row["problem_id"], set()).add(row["test_id"])
    return Evidence(attempts, flags, {problem_id: frozenset(ids) for problem_id, ids in untrusted.items()})
