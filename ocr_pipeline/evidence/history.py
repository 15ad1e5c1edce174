"""The whole life of one problem or one sample: what each step saw, decided and why, and what would change it.

Reads the tables of a data root by id and tells their rows in the order of the flow, as values; :mod:`.command` and
the studio show them. It repeats what is stored and judges nothing again: what another threshold would change is
said from the stored cosines alone.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ocr_pipeline.counts import KEPT
from ocr_pipeline.errors import InputError
from ocr_pipeline.store import Store
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    CONTAMINATION,
    DUPLICATE_PAIRS,
    EXECUTIONS,
    PLANS,
    PROBLEMS,
    REASONING_PATTERNS,
    REJECTED,
    RESPONSES,
    SAMPLES,
    SFT_DATASET,
    TEST_TRUST,
    UNIQUE_PROBLEMS,
    Table,
)

__all__ = ["Event", "Explanation", "explain"]

LONGEST_TEXT: Final = 300
SHORTEST_PREFIX: Final = 8
NEAREST: Final = 5
SUGGESTIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Event:
    """What one stage did with the row."""

    stage: str
    verdict: str
    """What became of the row there: kept, dropped, or a word of the table."""
    summary: str
    """One line that says why, with the values."""
    details: tuple[Mapping[str, Any], ...] = ()
    """The stored rows it rests on, without their long text."""

    def lines(self) -> list[str]:
        """Return each of the details in one line."""
        return [
            " · ".join(f"{name} {_value(value)}" for name, value in row.items() if value not in ("", []))
            for row in self.details
        ]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The events of one problem or sample, in the order of the flow."""

    identifier: str
    kind: str
    """problem, sample or rejected."""
    events: tuple[Event, ...] = field(default=())

    def to_json(self) -> str:
        """Serialize for programs."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, default=str)

    def to_text(self) -> str:
        """Tell it to a person: a line per event, its rows indented below."""
        lines = [f"{self.kind} {self.identifier}"]
        for event in self.events:
            lines.append(f"  {event.stage:<18} {event.verdict:<14} {event.summary}".rstrip())
            lines.extend(f"  {'':<18} {'':<14}   {line}" for line in event.lines())
        return "\n".join(lines)


def explain(store: Store, identifier: str) -> Explanation:
    """Tell the life of a problem (by its id) or of a sample (by its id or the first eight characters or more).

    Raises
    ------
    InputError
        When no table knows the identifier, or several samples begin with it; names the nearest ones.
    """
    wanted = identifier.strip()
    if _rows(store, PROBLEMS, _is("problem_id", wanted), ["problem_id"], **_place_of(store, wanted)):
        return Explanation(wanted, "problem", tuple(_problem_events(store, wanted)))
    rejected = _rejected(store, wanted)
    if rejected:
        return Explanation(wanted, "rejected", tuple(rejected))
    sample = _sample_place(store, wanted)
    if sample is not None:
        return Explanation(sample.sample_id, "sample", tuple(_sample_events(store, sample)))
    raise InputError(_unknown(store, wanted))


@dataclass(frozen=True, slots=True)
class _SamplePlace:
    sample_id: str
    problem_id: str
    partition: dict[str, str]


def _problem_events(store: Store, problem_id: str) -> Iterator[Event]:
    for stage in (_source, _duplicates, _contamination, _trusted, _asked, _planned):
        yield from stage(store, problem_id)


def _source(store: Store, problem_id: str) -> Iterator[Event]:
    place = _place_of(store, problem_id)
    (row,) = _rows(store, PROBLEMS, _is("problem_id", problem_id), _narrow(PROBLEMS), **place)
    repairs = ", ".join(row["repairs"]) or "none"
    summary = (
        f"row `{row['native_id']}` of {row['dataset']}/{row['split']}: {row['io_mode']}, {row['n_tests']} tests, "
        f"{row['n_solutions']} solutions, licence {row['license']}, repairs: {repairs}"
    )
    shown = ("title", "url", "difficulty", "checker", "statement_sha256")
    yield Event(PROBLEMS.name, KEPT, summary, ({name: row[name] for name in shown if row[name] is not None},))


def _rejected(store: Store, identifier: str) -> list[Event]:
    """Find raw rows that became no problem, under the id the problem would have had."""
    dataset, _, rest = identifier.partition("/")
    split, _, native_id = rest.partition("/")
    wanted = _is("dataset", dataset) & _is("split", split) & _is("native_id", native_id)
    rows = _rows(store, REJECTED, wanted, ["native_id", "reason", "detail", "raw"], **_place_of(store, identifier))
    return [
        Event(REJECTED.name, row["reason"], _clipped(row["detail"]), ({"raw": _clipped(row["raw"])},)) for row in rows
    ]


def _duplicates(store: Store, problem_id: str) -> Iterator[Event]:
    if not store.partitions(DUPLICATE_PAIRS):
        return
    either = _is("left_id", problem_id) | _is("right_id", problem_id)
    pairs = sorted(_rows(store, DUPLICATE_PAIRS, either), key=lambda pair: -pair["cosine"])
    yield Event(
        DUPLICATE_PAIRS.name,
        f"{len(pairs)} neighbours" if len(pairs) != 1 else "1 neighbour",
        "nearest first" if pairs else "no problem is as near as the threshold",
        tuple(_neighbour(pair, problem_id) for pair in pairs[:NEAREST]),
    )
    if store.partitions(UNIQUE_PROBLEMS):
        yield _unique(store, problem_id, pairs)


def _neighbour(pair: Mapping[str, Any], problem_id: str) -> dict[str, Any]:
    other = pair["right_id"] if pair["left_id"] == problem_id else pair["left_id"]
    evidence = {name: pair[name] for name in ("cosine", "lexical", "tests_equal", "decision", "decided_by", "rule")}
    return {"neighbour": other} | {name: value for name, value in evidence.items() if value is not None}


def _unique(store: Store, problem_id: str, pairs: Sequence[Mapping[str, Any]]) -> Event:
    found = _rows(store, UNIQUE_PROBLEMS, _is("problem_id", problem_id), ["member_ids", "datasets", "licenses"])
    if found:
        others = [member for member in found[0]["member_ids"] if member != problem_id]
        stands_for = f"stands for {', '.join(others)}" if others else "stands for itself alone"
        return Event(UNIQUE_PROBLEMS.name, KEPT, f"{stands_for}; {_next_duplicate(pairs)}", tuple(found))
    dropping = [pair for pair in pairs if pair["dropped_id"] == problem_id]
    if not dropping:
        return Event(UNIQUE_PROBLEMS.name, "absent", _why_absent(store, problem_id))
    pair = dropping[0]
    why = f"duplicate of {pair['kept_id']}, decided by {_decider(pair)}, cosine {pair['cosine']:.4f}"
    return Event(UNIQUE_PROBLEMS.name, "dropped", f"{why}; {_what_if(pair)}")


def _why_absent(store: Store, problem_id: str) -> str:
    manifest = store.manifest(UNIQUE_PROBLEMS)
    dataset = problem_id.split("/", 1)[0]
    read = {reference.partition.get("dataset") for reference in manifest.inputs} if manifest else set()
    if dataset not in read:
        return f"{dataset} was not among its inputs: a benchmark, or ingested later"
    return "no pair drops it: unique_problems is older than problems; materialize it again"


def _decider(pair: Mapping[str, Any]) -> str:
    rule = pair.get("rule")
    return f"{pair['decided_by']} `{rule}`" if rule else str(pair["decided_by"])


def _what_if(pair: Mapping[str, Any]) -> str:
    """Say what another threshold would change; only what the threshold decided depends on it."""
    if pair["decided_by"] != "threshold":
        return "no threshold would change that"
    if pair["decision"] in {"duplicate", "contaminated"}:
        return f"a threshold above {pair['cosine']:.4f} would let it stay"
    return f"a threshold of {pair['cosine']:.4f} or less would drop it"


def _next_duplicate(pairs: Sequence[Mapping[str, Any]]) -> str:
    by_threshold = [pair for pair in pairs if pair["decided_by"] == "threshold" and pair["decision"] == "distinct"]
    if not by_threshold:
        return "no stored pair would drop it at another threshold"
    return f"a threshold of {by_threshold[0]['cosine']:.4f} or less would make its nearest undecided pair a duplicate"


def _contamination(store: Store, problem_id: str) -> Iterator[Event]:
    if not store.partitions(CONTAMINATION):
        return
    rows = sorted(_rows(store, CONTAMINATION, _is("problem_id", problem_id)), key=lambda row: -row["cosine"])
    if not rows:
        yield Event(CONTAMINATION.name, "no evidence", "no benchmark problem is near, or it was not checked")
    for row in rows[:NEAREST]:
        yield Event(CONTAMINATION.name, row["decision"], _benchmark_line(row), _span(row))
    if store.partitions(CLEAN_PROBLEMS) and _rows(
        store, UNIQUE_PROBLEMS, _is("problem_id", problem_id), ["problem_id"]
    ):
        clean = _rows(store, CLEAN_PROBLEMS, _is("problem_id", problem_id), ["problem_id"])
        yield Event(CLEAN_PROBLEMS.name, KEPT if clean else "dropped", "" if clean else _contaminated_by(rows))


def _benchmark_line(row: Mapping[str, Any]) -> str:
    return (
        f"{row['benchmark']} {row['benchmark_version']} `{row['benchmark_id']}`: cosine {row['cosine']:.4f}, "
        f"lexical {row['lexical']:.2f}, decided by {row['decided_by']}; {_what_if(row)}"
    )


def _span(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return ({"shared span": _clipped(row["span"])},) if row["span"] else ()


def _contaminated_by(rows: Sequence[Mapping[str, Any]]) -> str:
    witnesses = [row for row in rows if row["decision"] == "contaminated"]
    if not witnesses:
        return "without a witness: clean_problems is older than contamination; materialize it again"
    return f"contaminated by {witnesses[0]['benchmark']} `{witnesses[0]['benchmark_id']}`; {_what_if(witnesses[0])}"


def _trusted(store: Store, problem_id: str) -> Iterator[Event]:
    """Tell what reference solutions said of the tests."""
    for keys in _partitions_of(store, TEST_TRUST, problem_id):
        rows = _rows(store, TEST_TRUST, _is("problem_id", problem_id), **keys)
        tests = tuple(row for row in rows if row["test_id"] is not None)
        for row in (row for row in rows if row["test_id"] is None):
            summary = f"{row['n_passed']} of {row['n_solutions_run']} reference solutions pass"
            shown = tuple({name: test[name] for name in ("test_id", "flag", "detail")} for test in tests[:NEAREST])
            yield Event(TEST_TRUST.name, row["flag"], f"{summary}; {len(tests)} tests left out", shown)


def _asked(store: Store, problem_id: str) -> Iterator[Event]:
    """Tell the responses and samples of a problem, one event per language."""
    columns = [*_narrow(RESPONSES)]
    for keys in _partitions_of(store, RESPONSES, problem_id):
        responses = _rows(store, RESPONSES, _is("problem_id", problem_id), columns, **keys)
        failed = sum(1 for row in responses if row["error"])
        if responses:
            summary = f"{len(responses)} in {keys['language']} by {responses[0]['model']}, {failed} failed"
            yield Event(RESPONSES.name, "asked", summary)
        yield from _sampled(store, problem_id, keys)


def _sampled(store: Store, problem_id: str, keys: dict[str, str]) -> Iterator[Event]:
    samples = _rows(store, SAMPLES, _is("problem_id", problem_id), ["sample_id", "verdict", "reasons"], **keys)
    for sample in samples:
        place = _SamplePlace(sample["sample_id"], problem_id, keys)
        outcome = [f"{event.stage} {event.verdict}" for event in _after_separation(store, place)]
        reasons = ", ".join(sample["reasons"])
        summary = "; ".join(part for part in (sample["sample_id"][:12], reasons, *outcome) if part)
        yield Event(SAMPLES.name, sample["verdict"], summary)


def _planned(store: Store, problem_id: str) -> Iterator[Event]:
    columns = ["plan_id", "solution_id", "verdict", "reasons"]
    for keys in _partitions_of(store, PLANS, problem_id):
        for row in _rows(store, PLANS, _is("problem_id", problem_id), columns, **keys):
            read_from = f"from solution {row['solution_id']}" if row["solution_id"] else "from the statement"
            yield Event(
                PLANS.name,
                row["verdict"],
                ", ".join([f"{row['plan_id'].removeprefix(f'{problem_id}/')} {read_from}", *row["reasons"]]),
            )


def _sample_place(store: Store, identifier: str) -> _SamplePlace | None:
    if len(identifier) < SHORTEST_PREFIX:
        return None
    found = []
    for keys in store.partitions(SAMPLES):
        rows = _rows(
            store, SAMPLES, pc.starts_with(pc.field("sample_id"), identifier), ["sample_id", "problem_id"], **keys
        )
        found += [_SamplePlace(row["sample_id"], row["problem_id"], keys) for row in rows]
    exact = [place for place in found if place.sample_id == identifier]
    if len(found) > 1 and not exact:
        names = ", ".join(place.sample_id[:20] for place in found[:SUGGESTIONS])
        message = f"{len(found)} samples begin with `{identifier}`: {names}, …; give more characters"
        raise InputError(message)
    return next(iter(exact or found), None)


def _sample_events(store: Store, place: _SamplePlace) -> Iterator[Event]:
    yield from _answered(store, place)
    (row,) = _rows(store, SAMPLES, _is("sample_id", place.sample_id), _narrow(SAMPLES), **place.partition)
    reasons = ", ".join(row["reasons"]) or "nothing against it"
    shown = {name: value for name, value in row.items() if value is not None and name not in _REPEATED}
    yield Event(SAMPLES.name, row["verdict"], reasons, (shown,))
    yield from _after_separation(store, place)


_REPEATED: Final = {"sample_id", "problem_id", "language", "verdict", "reasons"}


def _answered(store: Store, place: _SamplePlace) -> Iterator[Event]:
    rows = _rows(store, RESPONSES, _is("request_id", place.sample_id), _narrow(RESPONSES), **place.partition)
    for row in rows:
        summary = f"sample {row['sample_index']} of {place.problem_id} in {row['language']} by {row['model']}"
        shown = (
            "finish_reason",
            "prompt_tokens",
            "completion_tokens",
            "latency_s",
            "attempts",
            "params",
            "prompt_sha256",
        )
        details = {name: row[name] for name in shown if row[name] is not None}
        yield Event(RESPONSES.name, "failed" if row["error"] else "answered", row["error"] or summary, (details,))


def _after_separation(store: Store, place: _SamplePlace) -> Iterator[Event]:
    for stage in (_executed, _reasoned, _selected):
        yield from stage(store, place)


def _executed(store: Store, place: _SamplePlace) -> Iterator[Event]:
    for row in _of_sample(store, EXECUTIONS, place):
        rate = "not run" if row["pass_rate"] is None else f"{row['tests_passed']} of {row['tests_total']} tests"
        first = f", first failed: {row['first_failed_test']}" if row["first_failed_test"] else ""
        yield Event(EXECUTIONS.name, row["verdict"], rate + first)


def _reasoned(store: Store, place: _SamplePlace) -> Iterator[Event]:
    for row in _of_sample(store, REASONING_PATTERNS, place):
        entropy = "unlabelled" if row["entropy_bits"] is None else f"{row['entropy_bits']:.2f} bits"
        moves = ", ".join(f"{rows} {name}" for name, rows in sorted(row["counts"], key=lambda item: -item[1]))
        yield Event(REASONING_PATTERNS.name, entropy, moves)


def _selected(store: Store, place: _SamplePlace) -> Iterator[Event]:
    if place.partition not in store.partitions(SFT_DATASET):
        return
    if _of_sample(store, SFT_DATASET, place):
        yield Event(SFT_DATASET.name, KEPT, _selection(store, place))
        return
    (sample,) = _of_sample(store, SAMPLES, place)
    if sample["verdict"] != KEPT:
        yield Event(SFT_DATASET.name, "dropped", f"its verdict is {sample['verdict']}: no selection would keep it")
    else:
        yield Event(
            SFT_DATASET.name, "dropped", f"by the {_selection(store, place)}", (_selectable(store, sample, place),)
        )


def _selection(store: Store, place: _SamplePlace) -> str:
    manifest = store.manifest(SFT_DATASET, **place.partition)
    config = manifest.config if manifest else {}
    switched_on = [f"{name}={value}" for name, value in sorted(config.items()) if value not in (None, False)]
    return f"selection {', '.join(switched_on)}".rstrip()


def _selectable(store: Store, sample: Mapping[str, Any], place: _SamplePlace) -> dict[str, Any]:
    """Return what a selection may look at: another one may keep the sample."""
    names = ("reasoning_has_code", "duplicate_of", "loop_period", "repeated_share")
    facts = {name: sample[name] for name in names if sample[name] is not None}
    rates = [row["pass_rate"] for row in _of_sample(store, EXECUTIONS, place) if row["pass_rate"] is not None]
    return facts | ({"pass_rate": rates[0]} if rates else {})


def _of_sample(store: Store, table: Table, place: _SamplePlace) -> list[dict[str, Any]]:
    if place.partition not in store.partitions(table):
        return []
    return _rows(store, table, _is("sample_id", place.sample_id), _narrow(table), **place.partition)


def _rows(
    store: Store,
    table: Table,
    condition: pc.Expression | None,
    columns: Sequence[str] | None = None,
    **partition: str,
) -> list[dict[str, Any]]:
    """Read the few rows that meet a condition; a table that is not there has none."""
    present = [keys for keys in store.partitions(table) if partition.items() <= keys.items()]
    if not present:
        return []
    found: pa.Table = store.open(table, **partition).to_table(columns=columns, filter=condition)
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def _is(column: str, value: str) -> pc.Expression:
    return pc.field(column) == value


def _narrow(table: Table) -> list[str]:
    """Return the columns that are no long text, and no lists of places or results."""
    return [
        column.name for column in table.schema if not pa.types.is_large_string(column.type) and not _is_rows(column)
    ]


def _is_rows(column: pa.Field) -> bool:
    return bool(pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type))


def _place_of(store: Store, identifier: str) -> dict[str, str]:
    """Return the partition a problem id points to, when there is one."""
    dataset = identifier.split("/", 1)[0]
    known = {keys["dataset"] for table in (PROBLEMS, REJECTED) for keys in store.partitions(table)}
    return {"dataset": dataset} if dataset in known else {}


def _partitions_of(store: Store, table: Table, problem_id: str) -> list[dict[str, str]]:
    dataset = problem_id.split("/", 1)[0]
    return [keys for keys in store.partitions(table) if keys["dataset"] == dataset]


def _unknown(store: Store, identifier: str) -> str:
    known = [row["problem_id"] for row in _rows(store, PROBLEMS, None, ["problem_id"], **_place_of(store, identifier))]
    if not known:
        return (
            f"`{store.root}` holds no problems; materialize some, or point --data or OCR_PIPELINE_DATA at a data root"
        )
    near = difflib.get_close_matches(identifier, known, SUGGESTIONS, cutoff=0.5) or sorted(known)[:SUGGESTIONS]
    return (
        f"`{identifier}` is no problem, rejected row or sample of `{store.root}`; ids look like {', '.join(near)}, "
        f"and a sample id needs {SHORTEST_PREFIX} characters"
    )


def _clipped(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= LONGEST_TEXT else plain[: LONGEST_TEXT - 1] + "…"


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return "-".join(str(part) for part in value.values())
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
