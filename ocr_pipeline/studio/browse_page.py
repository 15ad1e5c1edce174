"""The browse pages: lists with totals and filters, and one problem, rejected row or sample as a reader wants it.

A sample shows what was asked, the reasoning folded away, the program in colours, and its tests with what they expect; what it gave for
failed ones is run in the judge's sandbox when a person asks, for nobody keeps outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import pyarrow.compute as pc

from ocr_pipeline.errors import InputError
from ocr_pipeline.events import Event
from ocr_pipeline.evidence import explain
from ocr_pipeline.judge.sandbox import require_hidden
from ocr_pipeline.judge.showing import Showing, shown_output
from ocr_pipeline.judge.tasks import close_workplaces
from ocr_pipeline.judge.verdicts import Candidate, JudgeConfig, ProblemSpec, Test
from ocr_pipeline.store import Store
from ocr_pipeline.studio.catalogue import LISTS, PAGE_ROWS, Listing, listing, partitions_of
from ocr_pipeline.studio.markup import Html, code, escaped, link, options, page, pre, table, word
from ocr_pipeline.studio.texts import problem_statement
from ocr_pipeline.tables import (
    ACCEPTED,
    EXECUTIONS,
    GENERATED_TESTS,
    PROBLEMS,
    RESPONSES,
    SAMPLES,
    SOLUTIONS,
    TESTS,
    Table,
)

__all__ = ["browse_page", "got_html", "problem_page", "sample_page"]

MOST_TESTS: Final = 30
MOST_SHOWN_SOLUTIONS: Final = 3
MOST_CHARACTERS: Final = 2_000
MOST_RUN: Final = 8
LONGEST_NUMBER: Final = 15
"""Digits of a place in a list: more rows has none."""
VERDICTS: Final = frozenset({"verdict", "execution", "separation", "syntax", "fate", "reason"})
NUMBERS: Final = ("reasoning_tokens", "rating", "n_tests", "n_solutions")


def browse_page(store: Store, what: str, query: Mapping[str, str]) -> str:
    """Show a list, or the row whose id is asked for.

    Raises
    ------
    InputError
        When there is no such list or partition.
    """
    partitions = partitions_of(store, what)
    tabs = "".join(
        f"<span class='{'here' if name == what else ''}'>{link(f'/browse/{name}', name)}</span>" for name in LISTS
    )
    find = (
        "<form class='bar' action='/find' method='get'><input name='id' placeholder='problem or sample id' size='40' "
        f"value='{escaped(query.get('id', ''))}'><button>Open</button></form>"
    )
    head = f"<div class='tabs'>{tabs}</div>{find}"
    if not partitions:
        return page("browse", what, f"{head}<h1>There are no {what} yet; materialize them first.</h1>")
    name = query.get("partition") or next(iter(partitions))
    if name not in partitions:
        message = f"there is no partition `{name}` of {what}; there are {', '.join(partitions)}"
        raise InputError(message)
    first = int(query["first"][:LONGEST_NUMBER]) if query.get("first", "").isdecimal() else 0
    found = listing(store, what, partitions[name], query.get("words", ""), query, first)
    return page(
        "browse",
        what,
        f"{head}{_filters(what, list(partitions), name, found, query)}{_rows(what, name, found, query, first)}",
    )


def _filters(what: str, partitions: Sequence[str], name: str, found: Listing, query: Mapping[str, str]) -> str:
    selects = "".join(
        options(
            one,
            {"": f"{one}: all"}
            | {value: f"{value or '(none)'} ({rows:,})" for value, rows in found.values[one].items()},
            query.get(one, ""),
        )
        for one in LISTS[what].filters
    )
    return (
        f"<form class='filters bar' method='get'>{options('partition', {one: one for one in partitions}, name)}{selects}"
        f"<input name='words' value='{escaped(query.get('words', ''))}' placeholder='id or text'><button>Filter</button></form>"
    )


def _rows(what: str, name: str, found: Listing, query: Mapping[str, str], first: int) -> str:
    last = first + found.rows.num_rows
    asked = {key: query.get(key, "") for key in (*LISTS[what].filters, "words")} | {"partition": name}
    turn = [
        link(f"/browse/{what}", label, **asked, first=str(place) if place else "")
        for label, place, is_there in (
            ("← previous", first - PAGE_ROWS, first > 0),
            ("next →", first + PAGE_ROWS, last < found.matching),
        )
        if is_there
    ]
    shown = f"{first + 1:,} to {last:,} of " if last else ""
    total = f"<p class='facts'>{shown}<b>{found.matching:,}</b> matching rows, {found.total:,} in this partition {' · '.join(turn)}</p>"
    columns = found.rows.column_names
    rows = [[_cell(what, name, column, row) for column in columns] for row in found.rows.to_pylist()]
    return total + table(columns, rows, numbers=NUMBERS)


def _cell(what: str, partition: str, column: str, row: Mapping[str, Any]) -> object:
    value = row[column]
    if column == "sample_id":
        return link(f"/sample/{value}", value[:12])
    if column == "problem_id":
        return link(f"/problem/{value}", value)
    if what == "rejected" and column == "native_id":
        return link(f"/problem/{partition}/{row['split']}/{value}", value)
    return word(value) if column in VERDICTS else value


# ---- one problem ----


def problem_page(store: Store, identifier: str) -> str:
    """Show a problem, or a rejected row, with everything that became of it.

    Raises
    ------
    InputError
        When there is none; the message names the nearest ids.
    """
    life = explain(store, identifier)
    statement = problem_statement(store, life.identifier)
    parts = [f"<h1>{escaped(life.identifier)}</h1>"]
    if statement is not None:
        parts.append(
            f"<p class='facts'>{' · '.join(f'{name} {escaped(value)}' for name, value in statement.facts.items())}</p>"
        )
        parts.append(pre(statement.text))
        parts.append(_tests_of_problem(store, life.identifier))
        parts.append(_solutions_html(store, life.identifier))
    parts.append(f"<h2>What became of it</h2>{_life(life.events)}")
    return page("browse", life.identifier, "".join(parts))


def _tests_of_problem(store: Store, problem_id: str) -> str:
    tests = _of_problem(store, problem_id, TESTS, GENERATED_TESTS)
    rows = [
        [test["test_id"], test["kind"], _clipped(test["input"]), _clipped(test["expected"])]
        for test in tests[:MOST_TESTS]
    ]
    return f"<details><summary>Tests: {_shown_of(len(rows), len(tests))}</summary>{table(('test', 'kind', 'input', 'expected'), rows)}</details>"


def _solutions_html(store: Store, problem_id: str) -> str:
    solutions = _of_problem(store, problem_id, SOLUTIONS)
    shown = "".join(
        f"<p class='facts'>{escaped(one['solution_id'])} · {escaped(one['language'])} · {word('right' if one['is_correct'] else 'wrong')}</p>"
        f"{code(one['code'], one['language'])}"
        for one in solutions[:MOST_SHOWN_SOLUTIONS]
    )
    return f"<details><summary>Solutions: {_shown_of(min(len(solutions), MOST_SHOWN_SOLUTIONS), len(solutions))}</summary>{shown}</details>"


def _shown_of(shown: int, total: int) -> str:
    return f"{total:,}" if shown == total else f"{shown:,} of {total:,}"


# ---- one sample ----


def sample_page(store: Store, identifier: str) -> str:
    """Show a sample: statement, reasoning, program, tests, and its life.

    Raises
    ------
    InputError
        When there is none; the message names the nearest ids.
    """
    life = explain(store, identifier)
    if life.kind != "sample":
        return problem_page(store, identifier)
    row, keys = _sample(store, life.identifier)
    judged = _execution(store, life.identifier, keys)
    said = [
        f"{name} {word(value)}"
        for name, value in (("separated", row["verdict"]), ("judged", judged and judged["verdict"]))
        if value
    ]
    rate = f" · {judged['tests_passed']:,} of {judged['tests_total']:,} tests" if judged else ""
    statement = problem_statement(store, row["problem_id"])
    answer = _answer(store, life.identifier, keys)
    reasoning, rest = _part(answer, row["reasoning_span"]), _part(answer, row["answer_span"])
    body = (
        f"<h1>{link('/problem/' + row['problem_id'], row['problem_id'])} · {escaped(row['language'])}</h1>"
        f"<p class='facts'>{escaped(life.identifier)} · {' · '.join(said)}{rate}</p>"
        f"<div class='sides'><div><h2>Statement</h2>{pre(statement.text) if statement else _absent()}</div>"
        f"<div><h2>Program</h2>{code(row['code'], row['language']) if row['code'] else _absent()}</div></div>"
        f"{_folded('Reasoning', reasoning)}{_folded('Answer after the reasoning', rest)}"
        f"{_folded('Everything that the teacher sent', answer if reasoning is None else None)}"
        f"<h2>Tests</h2>{_results(store, row, judged)}<h2>What became of it</h2>{_life(life.events)}"
    )
    return page("browse", life.identifier[:12], body)


def _absent() -> Html:
    return Html("<p class='facts'>(none)</p>")


def _folded(title: str, text: str | None) -> str:
    if text is None:
        return ""
    return f"<details><summary>{title} ({len(text):,} characters)</summary>{pre(text.strip())}</details>"


def _results(store: Store, row: Mapping[str, Any], judged: Mapping[str, Any] | None) -> str:
    if judged is None:
        return "<p class='facts'>It was not judged.</p>"
    tests = {test["test_id"]: test for test in _of_problem(store, row["problem_id"], TESTS, GENERATED_TESTS)}
    results = sorted(judged["results"] or (), key=lambda one: one["verdict"] == ACCEPTED)
    rows = [
        [
            one["test_id"],
            word(one["verdict"]),
            "" if one["cpu_time_s"] is None else f"{one['cpu_time_s']:.2f} s",
            _clipped(tests.get(one["test_id"], {}).get("input")),
            _clipped(tests.get(one["test_id"], {}).get("expected")),
        ]
        for one in results[:MOST_TESTS]
    ]
    detail = (
        f"<details open><summary>What the judge says</summary>{pre(judged['detail'])}</details>"
        if judged["detail"]
        else ""
    )
    failed = any(one["verdict"] != ACCEPTED for one in results)
    run = (
        f"<button data-fetch='/api/got/{escaped(quote(row['sample_id'], safe=''))}' data-into='got'>Run the failed tests again</button><div id='got'></div>"
        if failed
        else ""
    )
    shown = f"<p class='facts'>{_shown_of(len(rows), len(results))} tests, failed ones first</p>"
    return detail + run + shown + table(("test", "verdict", "CPU time", "input", "expected"), rows)


def got_html(store: Store, sample_id: str) -> Html:
    """Run a sample on some of the tests that it failed, and show what it gives beside what is expected.

    Raises
    ------
    InputError
        When there is no such judged sample.
    JudgeError
        When no sandbox works here.
    """
    if store.local_root is not None:
        require_hidden({store.local_root})
    row, keys = _sample(store, sample_id)
    judged = _execution(store, sample_id, keys)
    failed = [one["test_id"] for one in (judged or {}).get("results") or () if one["verdict"] != ACCEPTED]
    found = {test["test_id"]: test for test in _of_problem(store, row["problem_id"], TESTS, GENERATED_TESTS)}
    problem = _first(
        store, PROBLEMS, pc.field("problem_id") == row["problem_id"], {"dataset": row["problem_id"].partition("/")[0]}
    )
    if problem is None or not row["code"]:
        message = f"`{sample_id}` has no program, or its problem is not in this data root"
        raise InputError(message)
    spec, candidate, config = ProblemSpec.of_row(problem), Candidate(row["language"], row["code"]), JudgeConfig()
    rows = []
    try:
        for name in [one for one in failed if one in found][:MOST_RUN]:
            given = Test(name, found[name]["input"] or "", found[name]["expected"] or "")
            _, got = shown_output(Showing(name, spec, candidate, given), config=config)
            rows.append([name, _clipped(given.input), _clipped(given.expected), pre(got)])
    finally:
        close_workplaces()  # the next question may come in another thread
    return table(("test", "input", "expected", "got"), rows)


# ---- rows ----


def _sample(store: Store, sample_id: str) -> tuple[dict[str, Any], dict[str, str]]:
    for keys in store.partitions(SAMPLES):
        row = _first(store, SAMPLES, pc.field("sample_id") == sample_id, keys)
        if row is not None:
            return row, keys
    message = f"there is no sample `{sample_id}`"
    raise InputError(message)


def _execution(store: Store, sample_id: str, keys: Mapping[str, str]) -> dict[str, Any] | None:
    return _first(store, EXECUTIONS, pc.field("sample_id") == sample_id, keys)


def _answer(store: Store, sample_id: str, keys: Mapping[str, str]) -> str | None:
    row = _first(store, RESPONSES, pc.field("request_id") == sample_id, keys)
    return None if row is None else row["text"]


def _first(store: Store, place: Table, wanted: pc.Expression, keys: Mapping[str, str]) -> dict[str, Any] | None:
    if dict(keys) not in store.partitions(place):
        return None
    return next(iter(store.open(place, **keys).to_table(filter=wanted).slice(0, 1).to_pylist()), None)


def _of_problem(store: Store, problem_id: str, *places: Table) -> list[dict[str, Any]]:
    keys = {"dataset": problem_id.partition("/")[0]}
    wanted = pc.field("problem_id") == problem_id
    return [
        row
        for place in places
        if keys in store.partitions(place)
        for row in store.open(place, **keys).to_table(filter=wanted).to_pylist()
    ]


def _part(text: str | None, span: Mapping[str, int] | None) -> str | None:
    """Return the part of an answer that a span of bytes names."""
    if text is None or span is None:
        return None
    return text.encode("utf-8", "surrogatepass")[span["start"] : span["end"]].decode("utf-8", "replace")


def _clipped(text: str | None) -> Html:
    if not text:
        return Html("")
    left = len(text) - MOST_CHARACTERS
    return pre(text[:MOST_CHARACTERS] + (f"\n… {left:,} more characters" if left > 0 else ""))


def _life(events: Sequence[Event]) -> Html:
    rows = [[event.stage, word(event.verdict), _told(event)] for event in events]
    return table(("stage", "verdict", "what happened"), rows)


def _told(event: Event) -> Html:
    lines = "".join(f"<div class='facts'>{escaped(line)}</div>" for line in event.lines())
    sample = link(f"/sample/{event.sample.sample_id}", "open") if event.sample else ""
    return Html(f"{escaped(event.summary)} {sample}{lines}")
