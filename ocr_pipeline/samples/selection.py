"""From judged samples to the rows that downstream trains on: thresholds and switches act here and nowhere else.

Changing a selection reads narrow tables and copies text; it asks, separates and judges nothing again. The ablations of
the OpenCodeReasoning paper are three selections over one judged table. How the numbers came about is not known here.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.answers import CLOSING, OPENING
from ocr_pipeline.console import SILENT, Progress
from ocr_pipeline.counts import StageCounts, count_verdicts
from ocr_pipeline.errors import InputError
from ocr_pipeline.mixing import Draw, read_weights
from ocr_pipeline.samples.options import BANDS, UNMEASURED, Execution, SelectionConfig, TextPolicy
from ocr_pipeline.samples.verdicts import KEPT
from ocr_pipeline.store import RowStream, TableWriter
from ocr_pipeline.tables import ACCEPTED, SFT_DATASET

__all__ = ["select"]

Batches = Callable[[], Iterable[pa.RecordBatch]]
PLACEHOLDER: Final = "-"
ID_DIGITS: Final = 32  # as many as the released data set's ids have
MOST_ROWS: Final = 256
REMEMBERED_PROBLEMS: Final = 64
SAMPLE_COLUMNS: Final = (
    "sample_id",
    "problem_id",
    "verdict",
    "reasoning_has_code",
    "duplicate_of",
    "loop_period",
    "repeated_share",
)
COMPILES: Final = "compiles"  # absent from samples of before 2026-11-26
WANTED_OF_SAMPLES: Final = (
    "sample_id",
    "problem_id",
    "language",
    "reasoning_span",
    "answer_span",
    "code",
    "reasoning_tokens",
)
TRUST_COLUMNS: Final = ("tests_tpr", "tests_tnr", "tests_band")  # absent from executions of before 2026-11-26, too
OUTCOME_COLUMNS: Final = ("sample_id", "verdict", "pass_rate", "needs_checker", *TRUST_COLUMNS)
WANTED_OF_RESPONSES: Final = ("request_id", "text", "model")
PROBLEM_COLUMNS: Final = (
    "problem_id",
    "dataset",
    "split",
    "native_id",
    "site",
    "statement",
    "difficulty",
    "rating",
    "license",
    "datasets",
    "licenses",
)
SHARED_COLUMNS: Final = ("id", "input", "source", "license", "dataset", "split", "difficulty", "index")

Hashes = npt.NDArray[np.uint64]


class Drop(StrEnum):
    """Why a sample that is well-formed is not in the data set."""

    PROBLEM_NOT_CLEAN = "problem_not_clean"
    REASONING_HAS_CODE = "reasoning_has_code"
    LOOP = "loop"
    DOES_NOT_COMPILE = "does_not_compile"
    REPETITION = "repetition"
    NOT_RUN = "not_run"
    FAILED_TESTS = "failed_tests"
    PASSED_TESTS = "passed_tests"
    NEEDS_CHECKER = "needs_checker"
    RATE_BELOW = "pass_rate_below"
    RATE_ABOVE = "pass_rate_above"
    TNR_BELOW = "tests_tnr_below"
    TPR_BELOW = "tests_tpr_below"
    TESTS_UNMEASURED = "tests_unmeasured"
    TRUST_SHARE = "trust_share"
    DUPLICATE = "duplicate"
    OVER_LIMIT = "over_limit"
    NOT_IN_MIX = "not_in_mix"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the tests said of one sample."""

    pass_rate: float | None = None
    is_accepted: bool = False
    needs_checker: bool = False
    tpr: float | None = None
    tnr: float | None = None
    band: str = UNMEASURED


NOT_RUN: Final = _Outcome()


def select(  # noqa: PLR0913 - the tables of a selection
    samples: Batches,
    responses: Batches,
    problems: Batches,
    executions: Batches | None,
    *,
    config: SelectionConfig,
    redistributable: AbstractSet[str],
    writer: TableWriter,
    progress: Progress = SILENT,
    models: Batches | None = None,
) -> StageCounts:
    """Write the selected samples as rows of the data set and return the account by reason.

    Parameters
    ----------
    samples
        Opens the samples table: it is read twice, narrow first.
    responses
        Opens the responses that the samples were made of, in the same order.
    problems
        Opens the problems that are allowed: a sample of another problem is dropped.
    executions
        Opens the executions of the samples, if they were run.
    config
        What is kept.
    redistributable
        Data sets whose statements may be handed on; the others' are replaced by ``-``.
    writer
        Takes rows of the sft_dataset table.
    progress
        Told of every batch.
    models
        Opens the responses' columns ``request_id`` and ``model`` alone, for a mix; the responses by default.

    Raises
    ------
    InputError
        When samples and responses are not of one build, a selection by tests has no executions, or a teacher has too
        few samples for the mix.
    """
    if (config.needs_execution or config.needs_trust) and executions is None:
        raise InputError(
            f"selection: {_asked_of_tests(config)} needs the executions of the samples; materialize executions, or give "
            "--executions"
        )
    facts = _Problems(problems(), config.text_policy, redistributable)
    outcomes = _Outcomes(executions() if executions else ())
    decisions = _decide(samples(), facts, outcomes, config)
    if config.mix:
        _mix(decisions, (models or responses)(), config)
    trusted: Counter[str] = Counter()
    for first_row, batch in _aligned(samples(), responses()):
        chosen = [row for row in range(batch.num_rows) if decisions[first_row + row] == KEPT]
        if chosen:
            rows = batch.take(pa.array(chosen))
            writer.write(_rows(rows, facts, outcomes))
            trusted.update(_told(one) for one in outcomes.of(rows["sample_id"].to_pylist()) if executions)
        progress.advance(batch.num_rows)
    return count_verdicts(decisions, notes=trusted).require_conserved("sft_dataset")


def _asked_of_tests(config: SelectionConfig) -> str:
    """Name what only executions can answer."""
    if config.needs_execution:
        low, high = config.pass_rates
        return f"execution={config.execution} with pass rates from {low:g} to {high:g}"
    given = {"min_tnr": config.min_tnr, "min_tpr": config.min_tpr, "trust_shares": ", ".join(config.trust_shares)}
    return next(f"{name}={value}" for name, value in given.items() if value not in {None, ""})


def _told(outcome: _Outcome) -> str:
    """Say what the tests said of a sample, and how far that can be trusted: the ablations are counted by it."""
    said = "not run" if outcome.pass_rate is None else "passing" if outcome.is_accepted else "failing"
    return f"kept {said}, tests {outcome.band}"


class _Problems:
    """The columns of the data set that come from a problem, by problem id."""

    def __init__(
        self, batches: Iterable[pa.RecordBatch], policy: TextPolicy, redistributable: AbstractSet[str]
    ) -> None:
        self._policy = policy
        self._redistributable = redistributable
        narrow = [batch.select(PROBLEM_COLUMNS) for batch in batches]
        self._table = pa.Table.from_batches(narrow).combine_chunks() if narrow else None
        ids = self._table["problem_id"].to_pylist() if self._table is not None else []
        self._row_of = {problem_id: row for row, problem_id in enumerate(ids)}
        self.columns = lru_cache(REMEMBERED_PROBLEMS)(self._columns)  # samples of one problem follow each other
        """Return the cells that every sample of one problem shares."""

    def __contains__(self, problem_id: str) -> bool:
        return problem_id in self._row_of

    def _columns(self, problem_id: str) -> Mapping[str, str]:
        assert self._table is not None  # noqa: S101 - for the type checker: a known problem is in a table
        problem = self._table.slice(self._row_of[problem_id], 1).to_pylist()[0]
        may_copy = self._policy is TextPolicy.FULL or problem["dataset"] in self._redistributable
        return {
            "id": hashlib.sha256(problem["statement"].encode()).hexdigest()[:ID_DIGITS],
            "input": problem["statement"] if may_copy else PLACEHOLDER,
            "source": problem["site"] or "",
            "license": ", ".join(problem["licenses"] or [problem["license"]]),
            "dataset": ", ".join(problem["datasets"] or [problem["dataset"]]),
            "split": problem["split"],
            "difficulty": problem["difficulty"] or str(problem["rating"] or ""),
            "index": problem["native_id"],
        }


class _Outcomes:
    """What the tests said of each sample, and how good they are: 35 bytes per sample, looked up by the hash of its id."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        keys, rates, flags = [_hashes([])], [np.empty((0, 3))], [np.empty((0, 3), np.uint8)]
        for batch in batches:
            accepted = pc.equal(batch["verdict"], ACCEPTED)
            keys.append(_hashes(batch["sample_id"].to_pylist()))
            rates.append(np.column_stack([_shares(batch, name) for name in ("pass_rate", "tests_tpr", "tests_tnr")]))
            flags.append(np.column_stack([accepted.to_pylist(), batch["needs_checker"].to_pylist(), _bands(batch)]))
        unsorted = np.concatenate(keys)
        order = np.argsort(unsorted)
        self._keys = unsorted[order]
        self._rates, self._flags = np.concatenate(rates)[order], np.concatenate(flags)[order]

    def of(self, sample_ids: list[str]) -> list[_Outcome]:
        """Return one outcome per sample; a sample that is not there was not run."""
        wanted = _hashes(sample_ids)
        places = np.minimum(np.searchsorted(self._keys, wanted), max(len(self._keys) - 1, 0))
        if not len(self._keys):
            return [NOT_RUN] * len(wanted)
        return [
            self._outcome(place) if found else NOT_RUN
            for place, found in zip(places, self._keys[places] == wanted, strict=True)
        ]

    def _outcome(self, place: int) -> _Outcome:
        rate, tpr, tnr = (None if math.isnan(value) else value for value in self._rates[place].tolist())
        is_accepted, needs_checker, band = self._flags[place].tolist()
        found = _Outcome(rate, bool(is_accepted), bool(needs_checker), tpr, tnr, BANDS[band])
        return replace(NOT_RUN, band=found.band) if rate is None else found


def _shares(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.float64]:
    """Return a column of shares; executions of before 2026-11-26 do not say how good the tests are."""
    known = batch[name] if name in batch.schema.names else pa.nulls(len(batch), pa.float64())
    values: npt.NDArray[np.float64] = known.to_numpy(zero_copy_only=False).astype(float)
    return values


def _bands(batch: pa.RecordBatch) -> list[int]:
    """Return the place of each band in ``BANDS``."""
    names = batch["tests_band"].to_pylist() if "tests_band" in batch.schema.names else [None] * len(batch)
    places = {band: place for place, band in enumerate(BANDS)}
    unknown = next((name for name in names if name and name not in places), None)
    if unknown is not None:
        raise InputError(f"executions: tests_band must be {', '.join(BANDS)} or null, got `{unknown}`")
    return [places[name or UNMEASURED] for name in names]


def _hashes(names: Iterable[str | None]) -> Hashes:
    digests = (hashlib.blake2b((name or "").encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), np.uint64)


def _decide(
    batches: Iterable[pa.RecordBatch], problems: _Problems, outcomes: _Outcomes, config: SelectionConfig
) -> list[str]:
    """Return kept or the reason for every row of the samples."""
    decisions: list[str] = []
    hashes: list[list[Hashes]] = [[_hashes([])], [_hashes([])], [_hashes([])]]
    for batch in batches:
        rows = _with_absent_columns(batch).to_pylist()
        tested = outcomes.of(batch["sample_id"].to_pylist())
        decisions += [_decide_one(row, outcome, problems, config) for row, outcome in zip(rows, tested, strict=True)]
        hashes[0].append(_hashes(row["problem_id"] for row in rows))
        hashes[1].append(_hashes(row["sample_id"] for row in rows))
        hashes[2].append(_hashes(row["duplicate_of"] or row["sample_id"] for row in rows))
    problem, sample, original = (np.concatenate(chunks) for chunks in hashes)
    if config.drop_duplicates:
        _keep_first(decisions, original, (sample, sample != original), 1, Drop.DUPLICATE)
    if config.samples_per_problem_max is not None:
        _keep_first(decisions, problem, (sample,), config.samples_per_problem_max, Drop.OVER_LIMIT)
    return decisions


def _mix(decisions: list[str], batches: Iterable[pa.RecordBatch], config: SelectionConfig) -> None:
    """Of the rows that are still kept, keep the exact part of each teacher; a seeded hash of the id says which."""
    draw = Draw(read_weights(config.mix), rows=config.mix_rows, seed=config.mix_seed)
    columns = (zip(batch["request_id"].to_pylist(), batch["model"].to_pylist(), strict=True) for batch in batches)
    kept = []
    for row, (request_id, model) in enumerate(itertools.chain.from_iterable(columns)):
        if row < len(decisions) and decisions[row] == KEPT:
            draw.add(request_id, {"model": model or ""})
            kept.append(row)
    if kept:
        for row, is_drawn in zip(kept, draw.drawn().tolist(), strict=True):
            decisions[row] = KEPT if is_drawn else Drop.NOT_IN_MIX


def _with_absent_columns(batch: pa.RecordBatch) -> pa.RecordBatch:
    narrow = batch.select(SAMPLE_COLUMNS)
    known = COMPILES in batch.schema.names
    return narrow.append_column(COMPILES, batch[COMPILES] if known else pa.nulls(len(batch), pa.bool_()))


def _decide_one(row: Mapping[str, Any], outcome: _Outcome, problems: _Problems, config: SelectionConfig) -> str:
    if row["verdict"] != KEPT:
        return str(row["verdict"])
    most = config.repeated_share_max
    rules = (
        (row["problem_id"] not in problems, Drop.PROBLEM_NOT_CLEAN),
        (config.drop_reasoning_with_code and row["reasoning_has_code"], Drop.REASONING_HAS_CODE),
        (config.drop_not_compiling and row[COMPILES] is False, Drop.DOES_NOT_COMPILE),
        (config.drop_loops and row["loop_period"] is not None, Drop.LOOP),
        (most is not None and row["repeated_share"] > most, Drop.REPETITION),
    )
    dropped = next((reason for applies, reason in rules if applies), None)
    if dropped is not None:
        return dropped
    decided = _decide_by_tests(outcome, config) if config.needs_execution else KEPT
    return _decide_by_trust(row["sample_id"], outcome, config) if decided == KEPT else decided


def _decide_by_tests(outcome: _Outcome, config: SelectionConfig) -> str:
    """Decide by the tests; a sample that was not run, or failed only for want of a checker, is neither good nor bad."""
    if outcome.pass_rate is None:
        return Drop.NOT_RUN
    passing, failing = config.execution is Execution.PASSING, config.execution is Execution.FAILING
    low, high = config.pass_rates
    rules = (
        (passing and not outcome.is_accepted, Drop.FAILED_TESTS),
        (failing and outcome.is_accepted, Drop.PASSED_TESTS),
        (failing and outcome.needs_checker, Drop.NEEDS_CHECKER),
        (outcome.pass_rate < low, Drop.RATE_BELOW),
        (outcome.pass_rate > high, Drop.RATE_ABOVE),
    )
    return next((reason for applies, reason in rules if applies), KEPT)


def _decide_by_trust(sample_id: str, outcome: _Outcome, config: SelectionConfig) -> str:
    """Decide by the tests' own quality: whether they catch wrong programs is asked of a pass, whether they refuse right ones of a failure."""
    if outcome.pass_rate is None or not config.needs_trust:
        return KEPT
    least, rate, below = (
        (config.min_tnr, outcome.tnr, Drop.TNR_BELOW)
        if outcome.is_accepted
        else (config.min_tpr, outcome.tpr, Drop.TPR_BELOW)
    )
    share = config.shares.get(outcome.band, 1.0) if outcome.is_accepted else 1.0
    rules = (
        (least is not None and rate is None, Drop.TESTS_UNMEASURED),
        (least is not None and rate is not None and rate < least, below),
        (share < 1 and _draw(sample_id) >= share, Drop.TRUST_SHARE),
    )
    return next((reason for applies, reason in rules if applies), KEPT)


def _draw(sample_id: str) -> float:
    """Return a number from 0 to 1 that only the id decides, another one than what other rules draw."""
    digest = hashlib.blake2b(sample_id.encode(), digest_size=8, person=b"trust").digest()
    return int.from_bytes(digest) / 2**64


def _keep_first(
    decisions: list[str], group: Hashes, order: tuple[npt.NDArray[Any], ...], most: int, reason: Drop
) -> None:
    """Of the rows that are still kept, keep ``most`` per group; the last of ``order`` sorts first."""
    kept = np.array([row for row, decision in enumerate(decisions) if decision == KEPT], np.int64)
    kept = kept[np.lexsort((*(key[kept] for key in order), group[kept]))]
    groups = group[kept]
    begins = np.ones(len(kept), bool)
    begins[1:] = groups[1:] != groups[:-1]
    rank = np.arange(len(kept)) - np.maximum.accumulate(np.where(begins, np.arange(len(kept)), 0))
    for row in kept[rank >= most]:
        decisions[row] = reason


def _aligned(
    samples: Iterable[pa.RecordBatch], responses: Iterable[pa.RecordBatch]
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Join samples with their responses row by row: the one is made of the other in the same order."""
    left, right = RowStream(samples, WANTED_OF_SAMPLES), RowStream(responses, WANTED_OF_RESPONSES)
    first_row = 0
    while (rows := min(left.available(), right.available(), MOST_ROWS)) > 0:
        sample, response = left.take(rows), right.take(rows)
        if not sample["sample_id"].equals(response["request_id"]):
            break
        yield (
            first_row,
            pa.RecordBatch.from_arrays(
                [*sample.columns, *response.columns], names=[*sample.schema.names, *response.schema.names]
            ),
        )
        first_row += rows
    if left.available() or right.available():
        raise InputError(
            f"selection: from row {first_row} on, samples and responses are not of one build; "
            "materialize samples of this partition again"
        )


def _rows(batch: pa.RecordBatch, problems: _Problems, outcomes: _Outcomes) -> pa.RecordBatch:
    """Return the rows of the data set for samples beside their responses."""
    shared = [problems.columns(problem_id) for problem_id in batch["problem_id"].to_pylist()]
    columns: dict[str, Any] = {name: [row[name] for row in shared] for name in SHARED_COLUMNS}
    columns["output"] = list(_outputs(batch))
    columns["pass_rate"] = [outcome.pass_rate for outcome in outcomes.of(batch["sample_id"].to_pylist())]
    columns["solution"] = batch["code"]
    for name in ("language", "problem_id", "sample_id", "model", "reasoning_tokens"):
        columns[name] = batch[name]
    arrays = [pa.array(columns[field.name], field.type) for field in SFT_DATASET.schema]
    return pa.RecordBatch.from_arrays(arrays, schema=SFT_DATASET.schema)


def _outputs(batch: pa.RecordBatch) -> Iterator[bytes]:
    """Yield whole answers in the tags of the data set, whatever tags the teacher wrote."""
    texts = batch["text"].cast(pa.large_binary()).to_pylist()
    spans = zip(batch["reasoning_span"].to_pylist(), batch["answer_span"].to_pylist(), strict=True)
    for text, (reasoning, answer) in zip(texts, spans, strict=True):
        yield _normal_form(text, reasoning, answer)


def _normal_form(text: bytes, reasoning: Mapping[str, int], answer: Mapping[str, int]) -> bytes:
    thought, said = text[reasoning["start"] : reasoning["end"]], text[answer["start"] : answer["end"]]
    return b"".join((OPENING, thought, CLOSING, said))
