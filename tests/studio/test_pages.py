"""The pages as functions, over HTTP and in a real browser: keys decide, undo takes back, the decisions are on disk."""

import asyncio
import html
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import dagster as dg
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner
from yarl import URL

from ocr_pipeline.cli import build_app
from ocr_pipeline.definitions import build_defs
from ocr_pipeline.duplicates import DuplicateConfig, compare_problems
from ocr_pipeline.errors import InputError, StoreError
from ocr_pipeline.similarity import ReviewDecision, Reviews, read_reviews
from ocr_pipeline.store import Store
from ocr_pipeline.studio import review_page as reviewing
from ocr_pipeline.studio import standing, stored_reviews
from ocr_pipeline.studio.app import build_app as build_pages
from ocr_pipeline.studio.browse_page import browse_page, got_html, problem_page, sample_page
from ocr_pipeline.studio.funnel_page import account_html, funnel_page
from ocr_pipeline.studio.markup import link
from ocr_pipeline.studio.review_page import Asked, Decided, Named, review_page
from ocr_pipeline.studio.root import Root
from ocr_pipeline.tables import (
    CLEAN_PROBLEMS,
    CONTAMINATION,
    DUPLICATE_PAIRS,
    EXECUTIONS,
    FINDINGS,
    PROBLEMS,
    REVIEWS,
    SOLUTIONS,
    TEST_QUALITY,
    TEST_TRUST,
    TESTS,
    UNIQUE_PROBLEMS,
)
from resources import StoreResource
from tests.evidence import root as evidence_root
from tests.similarity.stub import WordEncoder
from tests.studio import root as studio_root

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
STOP_TIMEOUT_S = 60.0
STEP_TIMEOUT_MS = 20_000
ANN = {"queue": "duplicates", "reviewer": "ann"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a data root with five uncertain pairs."""
    return studio_root.build_root(tmp_path / "root")


@pytest.fixture
def root(store: Store, tmp_path: Path) -> Root:
    """Return what the pages read of it; there are no files of benchmarks."""
    return Root(store, tmp_path / "benchmarks")


def next_items(root: Root, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask as the page does."""
    return reviewing.next_items(root, Asked.model_validate(body))


def decide(root: Root, body: Mapping[str, Any]) -> dict[str, Any]:
    """Decide as the page does."""
    return reviewing.decide(root, Decided.model_validate(body))


def undo(root: Root, body: Mapping[str, Any]) -> dict[str, Any]:
    """Take back as the page does."""
    return reviewing.undo(root, Named.model_validate(body))


def decided(root: Root, decision: str, place: int = 0, **more: Any) -> dict[str, Any]:
    """Decide one of the items that come next."""
    body = ANN | more
    item = next_items(root, body)["items"][place]
    return decide(root, body | {"decisions": [{"key": item["key"], "decision": decision, "note": more.get("note")}]})


def keys(said: Mapping[str, Any]) -> list[str]:
    """Return what is asked, in order."""
    return [item["key"] for item in said["items"]]


# ---- the queues ----


def test_a_card_shows_evidence_and_marks_the_difference(root: Root) -> None:
    """The least certain pair comes first, side by side, its markup shown as text."""
    shown = next_items(root, ANN)["items"][0]["html"]
    assert "cosine <b>0.7100</b>" in shown
    assert "<mark>two</mark>" in shown
    assert "&lt;<mark>b</mark>" in shown or "&lt;b&gt;" in shown
    assert "the pipeline says <b>duplicate</b> (by threshold)" in shown


def test_a_decision_is_stored_and_the_next_pair_comes(root: Root) -> None:
    """One row with the reviewer's name; the pair is not asked again."""
    first, second, *_ = keys(next_items(root, ANN))
    assert decided(root, "distinct")["progress"]["decided_by_reviewer"] == 1
    (row,) = stored_reviews(root.store).to_pylist()
    assert (row["pair_key"], row["decision"], row["reviewer"]) == (first, "distinct", "ann")
    assert keys(next_items(root, ANN))[0] == second


def test_what_the_page_has_is_not_sent_again(root: Root) -> None:
    """The page is ahead of the server: what it holds, or is about to store, is left out."""
    first, second, third, *_ = keys(next_items(root, ANN))
    assert keys(next_items(root, ANN | {"have": [first, second], "limit": 1})) == [third]


def test_many_decisions_are_one_append(root: Root) -> None:
    """All of them or none, in their order."""
    first, second, *_ = keys(next_items(root, ANN))
    wrong = [{"key": first, "decision": "distinct"}, {"key": "0" * 64, "decision": "distinct"}]
    with pytest.raises(InputError, match="reload the page"):
        decide(root, ANN | {"decisions": wrong})
    assert stored_reviews(root.store).num_rows == 0
    decide(
        root, ANN | {"decisions": [{"key": first, "decision": "distinct"}, {"key": second, "decision": "duplicate"}]}
    )
    assert stored_reviews(root.store)["pair_key"].to_pylist() == [first, second]


@pytest.mark.parametrize("decision", ["wrong", "withdrawn", "", None])
def test_a_word_of_another_queue_is_refused(root: Root, decision: str | None) -> None:
    """Only what the buttons say is stored."""
    with pytest.raises(InputError, match="is not a decision"):
        decided(root, decision or "")


def test_a_statement_of_a_benchmark_file_is_shown(store: Store, tmp_path: Path) -> None:
    """A benchmark that was never ingested is read from its file."""
    lines = {"problem_id": "mine/1", "statement": "Count every letter of a word."}
    (tmp_path / "mine.jsonl").write_text(json.dumps(lines) + "\n")
    row = studio_root.contaminated() | {"benchmark": "mine", "benchmark_id": "mine/1", "cosine": 0.7}
    evidence_root.put(store, CONTAMINATION, [row], config={"threshold": studio_root.THRESHOLD})
    shown = next_items(Root(store, tmp_path), ANN | {"queue": "contamination"})["items"][0]["html"]
    assert "<mark>every letter</mark>" in shown
    assert "Is the problem on the left in mine?" in shown


def test_a_note_is_stored_with_the_decision(root: Root) -> None:
    """What the reviewer wrote is in the row."""
    decided(root, "duplicate", note="other limits")
    assert stored_reviews(root.store)["note"].to_pylist() == ["other limits"]


def test_undo_takes_back_and_returns_to_the_pair(root: Root) -> None:
    """The decision is withdrawn by a further row, and the pair is asked again; a second undo finds nothing."""
    first = keys(next_items(root, ANN))[0]
    decided(root, "distinct")
    assert undo(root, ANN)["item"]["key"] == first
    assert stored_reviews(root.store)["decision"].to_pylist() == ["distinct", "withdrawn"]
    assert keys(next_items(root, ANN))[0] == first
    assert undo(root, ANN)["said"] == "There is nothing to undo."


def test_undo_stays_in_its_queue(root: Root) -> None:
    """What was decided last elsewhere is not taken back here."""
    decided(root, "distinct")
    decided(root, "distinct", queue="contamination")
    assert "distinct on apps/train/1" in undo(root, ANN)["said"]


def test_a_skipped_pair_comes_last(root: Root) -> None:
    """Skipping stores nothing."""
    first, *rest = keys(next_items(root, ANN))
    assert keys(next_items(root, ANN | {"skipped": [first]})) == [*rest, first]


def test_a_nameless_reviewer_cannot_decide(root: Root) -> None:
    """Nothing is stored until somebody says who decides."""
    with pytest.raises(InputError, match="give a name"):
        decided(root, "distinct", reviewer=" ")


def test_a_second_reviewer_is_asked_the_same_and_agreement_is_shown(root: Root) -> None:
    """A second opinion is asked for without showing the first; afterwards both are compared."""
    decided(root, "distinct")
    bob = next_items(root, ANN | {"reviewer": "bob"})
    (item,) = [one for one in bob["items"] if one["key"] == studio_root.key_of(1)]
    assert "ann" not in item["html"]
    place = keys(bob).index(item["key"])
    progress = decided(root, "duplicate", place, reviewer="bob")["progress"]
    assert progress["agreements"] == ["ann and bob agree on 0 of 1 (κ 0.00)"]
    assert progress["disputed"] == 1


def test_a_decision_that_cannot_be_stored_is_said(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an error with a line, and the pair stays."""
    monkeypatch.setattr("ocr_pipeline.store.places.sync", _full_disk)
    with pytest.raises(StoreError):
        decided(root, "distinct")
    assert keys(next_items(root, ANN))[0] == studio_root.key_of(1)


def _full_disk(path: Path) -> None:
    raise OSError(28, "No space left", str(path))


def test_pairs_that_nothing_decides_have_a_queue(tmp_path: Path) -> None:
    """An undecided pair is asked there, one that the threshold decided among the duplicates."""
    undecided = studio_root.pair(2, decision="undecided", decided_by=None)
    root = Root(studio_root.build_root(tmp_path, studio_root.pair(1), undecided), tmp_path)
    assert keys(next_items(root, ANN | {"queue": "undecided"})) == [studio_root.key_of(2)]
    assert keys(next_items(root, ANN)) == [studio_root.key_of(1)]


def judged_root(folder: Path) -> Root:
    """Return a data root with a wrong program that survives and a test that right programs fail."""
    store = studio_root.build_root(folder)
    apps, name = {"dataset": "apps"}, "apps/train/1"
    solutions = [
        {
            "problem_id": name,
            "solution_id": "s1",
            "language": "python",
            "code": "print(1 - 1)  # <b>",
            "is_correct": False,
        }
    ]
    tests = [{"problem_id": name, "test_id": "t1", "kind": "private", "input": "1 1", "expected": "3"}]
    quality = {"problem_id": name, "tests": 4, "wrong_run": 2}
    rows = [
        quality | {"policy": "source", "missed_wrong": ["s1", "s2"]},
        quality | {"policy": "all", "missed_wrong": ["s1"]},
    ]
    trust = [
        {"problem_id": name, "test_id": None, "flag": "tests_flagged"},
        {
            "problem_id": name,
            "test_id": "t1",
            "flag": "rejects_solutions",
            "n_solutions_run": 3,
            "detail": "they got 2",
        },
    ]
    for table, values in ((SOLUTIONS, solutions), (TESTS, tests), (TEST_QUALITY, rows), (TEST_TRUST, trust)):
        evidence_root.put(store, table, values, apps)
    return Root(store, folder)


def test_a_surviving_wrong_program_is_asked_about(tmp_path: Path) -> None:
    """Of the widest tests that there are; the program is shown in colours, as text, and decided in a table of its own."""
    root = judged_root(tmp_path)
    (item,) = next_items(root, ANN | {"queue": "survivors"})["items"]
    assert "Is this program wrong?" in item["html"]
    assert "passes all 4 tests (all)" in item["html"]
    assert "&lt;b&gt;" in item["html"]
    decided(root, "wrong", queue="survivors")
    (row,) = stored_reviews(root.store, FINDINGS).to_pylist()
    assert (row["kind"], row["decision"], row["left_id"], row["right_id"]) == (
        "survivor",
        "wrong",
        "apps/train/1",
        "s1",
    )
    assert stored_reviews(root.store).num_rows == 0
    assert undo(root, ANN | {"queue": "survivors"})["item"]["key"] == item["key"]


def test_an_untrusted_test_is_asked_about(tmp_path: Path) -> None:
    """The test, what it expects, and what right programs got."""
    (item,) = next_items(judged_root(tmp_path), ANN | {"queue": "tests"})["items"]
    for shown in ("Is this test wrong?", "<pre>1 1</pre>", "<pre>3</pre>", "they got 2"):
        assert shown in item["html"]


def test_an_unknown_queue_is_one_line(root: Root) -> None:
    """The message names those that there are."""
    with pytest.raises(InputError, match="there are undecided, duplicates"):
        next_items(root, ANN | {"queue": "moon"})


# ---- the other pages ----


@pytest.fixture
def life(tmp_path: Path) -> Store:
    """Return a data root in which every kind of row occurs."""
    return evidence_root.build_root(tmp_path)


def test_a_problem_page_tells_its_life(life: Store) -> None:
    """An id is explained; an unknown one gets the nearest ids."""
    assert f"duplicate of {evidence_root.SUM}" in problem_page(life, evidence_root.SUM_AGAIN)
    with pytest.raises(InputError, match="ids look like taco/train/1"):
        problem_page(life, "taco/train/11")


def test_a_sample_page_reads_as_a_reader_wants_it(life: Store) -> None:
    """Statement, folded reasoning, coloured program, and what became of it."""
    shown = sample_page(life, evidence_root.KEPT_SAMPLE)
    assert evidence_root.STATEMENTS[evidence_root.SUM] in shown
    assert "<details><summary>Reasoning" in shown
    assert "<pre class='code hl'>" in shown
    assert "What became of it" in shown


@pytest.mark.parametrize(
    ("what", "rows"),
    [("problems", "2</b> matching rows, 2"), ("samples", "</b> matching rows, "), ("rejected", "1</b>")],
)
def test_a_list_has_totals_and_filters(what: str, rows: str, life: Store) -> None:
    """Each kind of row has its list, which words and values narrow down; the totals say of how many."""
    partition = {"partition": "taco|python" if what == "samples" else "taco"}
    shown = browse_page(life, what, partition)
    assert rows in shown
    assert "<option value=''" in shown
    assert "<b>0</b> matching rows" in browse_page(life, what, partition | {"words": "no such row"})


def test_filters_count_what_they_would_show(life: Store) -> None:
    """Each value of a filter says how many rows it has; choosing it shows exactly them."""
    shown = browse_page(life, "samples", {"partition": "taco|python"})
    kept = shown.partition("<option value='kept'>kept (")[2].partition(")")[0]
    assert f"<b>{kept}</b> matching rows" in browse_page(
        life, "samples", {"partition": "taco|python", "verdict": "kept"}
    )


def test_the_funnel_is_a_picture_and_checks_every_row(life: Store) -> None:
    """A bar for each stage with its reasons, and the check by id."""
    shown = funnel_page(life, "")
    assert shown.count("<rect") > len({"problems", "samples"})
    assert "<title>kept: " in shown
    assert "Every row is accounted for." in account_html(life)


def test_got_is_what_the_program_gives_now(tmp_path: Path) -> None:
    """A failed test is run again in the sandbox when a person asks."""
    store = evidence_root.build_root(tmp_path)
    python = {"dataset": "taco", "language": "python"}
    result = {"test_id": "t1", "verdict": "wrong_answer", "cpu_time_s": 0.0, "peak_memory_mib": 1.0}
    judged = {"sample_id": evidence_root.KEPT_SAMPLE, "problem_id": evidence_root.SUM, "verdict": "wrong_answer"}
    evidence_root.put(store, EXECUTIONS, [judged | {"language": "python", "results": [result]}], python)
    test = {"problem_id": evidence_root.SUM, "test_id": "t1", "input": "20 22", "expected": "43"}
    evidence_root.put(store, TESTS, [test], {"dataset": "taco"})
    assert "<pre>43</pre></td><td><pre>(nothing)</pre>" in got_html(store, evidence_root.KEPT_SAMPLE)


def test_the_button_that_runs_a_sample_names_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its id holds, it is neither markup nor part of an address."""
    name = "it's/one?<b>"
    monkeypatch.setattr(evidence_root, "KEPT_SAMPLE", name)
    store = evidence_root.build_root(tmp_path)
    result = {"test_id": "t1", "verdict": "wrong_answer", "cpu_time_s": 0.0, "peak_memory_mib": 1.0}
    judged = {"sample_id": name, "problem_id": evidence_root.SUM, "verdict": "wrong_answer", "results": [result]}
    python = {"dataset": "taco", "language": "python"}
    evidence_root.put(store, EXECUTIONS, [judged | {"language": "python"}], python)
    fetched = sample_page(store, name).partition("data-fetch='/api/got/")[2].partition("'")[0]
    assert fetched == quote(name, safe="")


@pytest.mark.parametrize("page", ["review", "browse", "funnel"])
def test_pages_of_an_empty_root_say_so(page: str, tmp_path: Path) -> None:
    """Nothing materialized is a sentence, not an error."""
    store = Store(tmp_path)
    drawn = {
        "review": lambda: review_page(Root(store, tmp_path), "", "ann"),
        "browse": lambda: browse_page(store, "samples", {}),
        "funnel": lambda: funnel_page(store, ""),
    }[page]()
    assert "nothing to ask" in drawn or "There are no samples yet" in drawn or "Nothing has been materialized" in drawn


# ---- over HTTP ----


def asked(store: Store, method: str, path: str, *, encoded: bool = False, **options: Any) -> tuple[int, str]:
    """Ask the application once; return status and text."""

    async def run() -> tuple[int, str]:
        async with TestServer(build_pages(store.root, Path(store.root))) as server, ClientSession() as session:
            address = URL(f"{server.make_url('/')}{path.removeprefix('/')}", encoded=encoded)
            async with session.request(method, address, **options) as answer:
                return answer.status, await answer.text()

    return asyncio.run(run())


@pytest.mark.parametrize(
    "path", ["/", "/review", "/browse", "/browse/problems", "/funnel", "/static/studio.js", "/health"]
)
def test_every_page_is_served(store: Store, path: str) -> None:
    """Each address answers."""
    assert asked(store, "GET", path)[0] == 200


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Origin": "http://evil.example"}, "json": {}},
        {"headers": {"Host": "evil.example"}, "json": {}},
        {"data": "queue=duplicates", "headers": {"Content-Type": "text/plain"}},
    ],
)
def test_no_other_site_may_store_anything(store: Store, options: dict[str, Any]) -> None:
    """A page of another origin, a name that is bent to this machine, and a form of any site are refused."""
    assert asked(store, "POST", "/api/decide", **options)[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/browse/moon", {}),
        ("GET", "/sample/nothing-like-it", {}),
        ("GET", "/review?queue=moon", {}),
        ("POST", "/api/got/none", {"json": {}}),
    ],
)
def test_what_is_not_there_is_a_line(store: Store, method: str, path: str, options: dict[str, Any]) -> None:
    """A wrong address or body is a status and a sentence, not a stack."""
    status, text = asked(store, method, path, **options)
    assert status == 404
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("next", "{"),
        ("next", b"\xff"),
        ("next", "[]"),
        ("next", "5"),
        ("next", '{"limit": "x"}'),
        ("next", '{"limit": -1}'),
        ("next", '{"limit": 1e400}'),
        ("next", '{"have": 5}'),
        ("next", '{"have": [[]]}'),
        ("next", '{"skipped": [[]]}'),
        ("next", '{"queue": ["x"]}'),
        ("next", '{"reviewer": {}}'),
        ("decide", '{"decisions": ["x"]}'),
        ("decide", '{"decisions": 5}'),
        ("decide", '{"decisions": [{"key": "x", "decision": []}]}'),
        ("undo", '{"reviewer": 5}'),
        ("account", "null"),
    ],
)
def test_a_body_of_another_shape_is_a_line(store: Store, path: str, body: str | bytes) -> None:
    """Whatever a program sends, it is told which part cannot be used."""
    status, text = asked(store, "POST", f"/api/{path}", data=body, headers={"Content-Type": "application/json"})
    assert status == 400
    assert "\n" not in json.loads(text)["error"]


@pytest.mark.parametrize("headers", [{"Host": "["}, {"Host": "[::1"}, {"Origin": "http://["}])
def test_a_malformed_address_is_refused(store: Store, headers: dict[str, str]) -> None:
    """It is nobody's."""
    assert asked(store, "POST", "/api/next", json={}, headers=headers)[0] == 403


@pytest.mark.parametrize("first", ["9" * 5000, "9" * 30, "-1", "x"])
def test_a_place_that_no_list_has_is_a_page(store: Store, first: str) -> None:
    """It shows nothing, or the start."""
    assert asked(store, "GET", f"/browse/problems?partition=apps&first={first}")[0] == 200


@pytest.mark.parametrize("name", ["apps/train/what?", "apps/train/a=b&c", "apps/train/50%25", "apps/train/#1"])
def test_any_id_has_a_page(tmp_path: Path, name: str) -> None:
    """Links and the search field lead there, whatever an id holds."""
    store = Store(tmp_path)
    evidence_root.put(store, PROBLEMS, [evidence_root.problem(name, statement="What is asked.")], {"dataset": "apps"})
    for page in (browse_page(store, "problems", {}), str(link(f"/problem/{name}", name))):
        target = html.unescape(page.partition("<a href='/problem/")[2].partition("'")[0])
        status, text = asked(store, "GET", f"/problem/{target}", encoded=True)
        assert (status, "What is asked." in text) == (200, True)
    status, text = asked(store, "GET", f"/find?id={quote(name)}", encoded=True)
    assert (status, "What is asked." in text) == (200, True)


def test_running_programs_stops_no_reviewer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While failed tests are run again, decisions are stored."""
    started, may_end = threading.Event(), threading.Event()

    def slow(*_: object) -> str:
        started.set()
        assert may_end.wait(STOP_TIMEOUT_S)
        return ""

    monkeypatch.setattr("ocr_pipeline.studio.app.got_html", slow)
    first = keys(next_items(Root(store, Path(store.root)), ANN))[0]

    async def run() -> int:
        async with TestServer(build_pages(store.root, Path(store.root))) as server, ClientSession() as session:
            got = asyncio.create_task(session.post(server.make_url("/api/got/x"), json={}))
            await asyncio.to_thread(started.wait, STOP_TIMEOUT_S)
            body = ANN | {"decisions": [{"key": first, "decision": "distinct"}]}
            try:
                async with asyncio.timeout(STEP_TIMEOUT_MS / 1000):
                    return (await session.post(server.make_url("/api/decide"), json=body)).status
            finally:
                may_end.set()
                await got

    assert asyncio.run(run()) == 200


def test_command_needs_data(tmp_path: Path) -> None:
    """A data root without problems is one clear line."""
    result = CliRunner().invoke(build_app(["studio", "funnel"]), ["studio", "--data", str(tmp_path)])
    assert isinstance(result.exception, InputError)
    assert "holds no problems" in str(result.exception)


def test_command_names_a_taken_port(store: Store) -> None:
    """Two studios on one port is one clear line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(build_app(["studio", "funnel"]), ["studio", "--data", store.root, "--port", port])
    assert f"port {port} of 127.0.0.1 cannot be used" in str(result.exception)


@contextmanager
def running_studio(root: str) -> Iterator[str]:
    """Start the command as a person would; end it as Ctrl-C does."""
    command = [sys.executable, "-m", "ocr_pipeline.cli", "studio", "--data", root, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().partition(": ")[2].split()[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_TIMEOUT_S)


@contextmanager
def browser_page(address: str) -> Iterator["Page"]:
    """Open an address in Chromium."""
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 950})
        page.set_default_timeout(STEP_TIMEOUT_MS)
        expect.set_options(timeout=STEP_TIMEOUT_MS)
        page.goto(address)
        yield page
        browser.close()


def press_key(tab: "Page", key: str, then: str) -> None:
    """Press a key on what is shown, and wait until ann's progress says so."""
    from playwright.sync_api import expect

    expect(tab.locator("#card h1")).to_be_visible(timeout=STEP_TIMEOUT_MS)
    tab.keyboard.press(key)
    expect(tab.locator("#progress")).to_contain_text(then)


def materialize(store: Store) -> dict[str, dict[Any, Any]]:
    """Run the assets of deduplication and contamination in Dagster; return what each decided."""
    names = [table.name for table in (DUPLICATE_PAIRS, UNIQUE_PROBLEMS, CONTAMINATION, CLEAN_PROBLEMS)]
    keys = [dg.AssetKey(name) for name in names]
    job = build_defs(store=StoreResource(root=store.root)).resolve_implicit_job_def_def_for_assets(keys)
    assert job is not None
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance, asset_selection=keys).success
    pairs = store.open(DUPLICATE_PAIRS).to_table().to_pylist()
    suspects = store.open(CONTAMINATION).to_table().to_pylist()
    return {
        "pairs": {row["left_id"]: (row["decision"], row["decided_by"]) for row in pairs},
        "suspects": {(row["problem_id"], row["benchmark"]): (row["decision"], row["decided_by"]) for row in suspects},
        "unique": dict.fromkeys(store.open(UNIQUE_PROBLEMS).to_table()["problem_id"].to_pylist()),
        "clean": dict.fromkeys(store.open(CLEAN_PROBLEMS).to_table()["problem_id"].to_pylist()),
    }


def decided_by_the_next_run(store: Store) -> dict[str, tuple[str, str]]:
    """Deduplicate again, as the asset does, and return decision and decider of each pair by its key."""
    pairs = compare_problems(
        chain.from_iterable(store.open(PROBLEMS, dataset=name).to_batches() for name in ("apps", "taco")),
        tests=None,
        config=DuplicateConfig(threshold=studio_root.THRESHOLD),
        encoder=WordEncoder(),
        reviews=read_reviews(store.open(REVIEWS)) if store.partitions(REVIEWS) else Reviews(),
    ).pairs
    return {row["pair_key"]: (row["decision"], row["decided_by"]) for row in pairs.to_pylist()}


def test_next_run_follows_the_page(store: Store, root: Root) -> None:
    """What a reviewer decides overrides the pipeline when it runs again, until it is taken back."""
    key = studio_root.key_of(1)
    before = decided_by_the_next_run(store).get(key)
    decided(root, "distinct")
    assert decided_by_the_next_run(store)[key] == ("distinct", "review")
    undo(root, ANN)
    assert decided_by_the_next_run(store).get(key) == before != ("distinct", "review")


def stored(store: Store, rows: int) -> list[dict[str, Any]]:
    """Return the rows of the table of reviews, which are as many as are expected."""
    found: list[dict[str, Any]] = stored_reviews(store).to_pylist()
    assert len(found) == rows
    return found


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_ten_quick_keys_are_ten_decisions(tmp_path: Path) -> None:
    """Keys that come faster than anybody reads decide what was shown, one pair each, in their order; undo takes the last back."""
    from playwright.sync_api import expect

    texts = {f"{name}/train/{number}": f"{name} {number}" for number in range(12) for name in ("apps", "taco")}
    store = studio_root.build_many(tmp_path / "root", texts)
    with running_studio(store.root) as address, browser_page(f"{address}/review?queue=duplicates&reviewer=ann") as tab:
        expect(tab.locator("#card h1")).to_be_visible()
        shown = []
        for key in "dndnnddndn":
            shown.append(tab.evaluate("document.getElementById('review').dataset.key"))
            tab.keyboard.press(key)
        expect(tab.locator("#progress")).to_contain_text("10 of 12")
        tab.keyboard.press("u")
        expect(tab.locator("#progress")).to_contain_text("9 of 12")
        assert tab.evaluate("document.getElementById('review').dataset.key") == shown[-1]
    rows = stored(store, 11)
    words = {"d": "duplicate", "n": "distinct"}
    assert [row["decision"] for row in rows] == [*(words[key] for key in "dndnnddndn"), "withdrawn"]
    assert [row["pair_key"] for row in rows] == [*shown, shown[-1]]
    assert len(set(shown)) == 10


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_letters_in_a_field_are_letters(store: Store) -> None:
    """Typing a name decides nothing, and changes who is asked; a held key decides once."""
    from playwright.sync_api import expect

    with running_studio(store.root) as address, browser_page(f"{address}/review?queue=duplicates&reviewer=ann") as tab:
        press_key(tab, "n", "1 of 4")
        tab.get_by_label("Reviewer").fill("")
        tab.get_by_label("Reviewer").press_sequentially("dnsu")
        tab.keyboard.press("Enter")
        expect(tab.locator("#progress")).to_contain_text("0 of 4 decided by dnsu")
    (row,) = stored(store, 1)
    assert (row["reviewer"], row["decision"]) == ("ann", "distinct")
    assert standing(store).decision(row["pair_key"]) == ReviewDecision.DISTINCT
    assert decided_by_the_next_run(store)[row["pair_key"]] == ("distinct", "review")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_what_could_not_be_stored_waits(store: Store) -> None:
    """A server that fails is said, nothing more is decided, and what waits is sent when it works again."""
    from playwright.sync_api import expect

    with running_studio(store.root) as address, browser_page(f"{address}/review?queue=duplicates&reviewer=ann") as tab:
        expect(tab.locator("#card h1")).to_be_visible()
        tab.route("**/api/decide", lambda route: route.abort())
        tab.keyboard.press("n")
        expect(tab.locator("#problem")).to_contain_text("1 decisions wait")
        tab.keyboard.press("n")
        tab.unroute("**/api/decide")
        tab.keyboard.press("r")
        expect(tab.locator("#progress")).to_contain_text("1 of 4")
        expect(tab.locator("#problem")).to_be_empty()
    assert [row["decision"] for row in stored(store, 1)] == ["distinct"]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_what_waits_keeps_its_reviewer(store: Store) -> None:
    """A name that is changed meanwhile changes nothing of it; undo tries again instead of waiting for ever."""
    from playwright.sync_api import expect

    with running_studio(store.root) as address, browser_page(f"{address}/review?queue=duplicates&reviewer=ann") as tab:
        expect(tab.locator("#card h1")).to_be_visible()
        tab.route("**/api/decide", lambda route: route.abort())
        tab.keyboard.press("n")
        expect(tab.locator("#problem")).to_contain_text("1 decisions wait")
        tab.get_by_label("Reviewer").fill("bob")
        tab.keyboard.press("Tab")
        expect(tab.locator("#progress")).to_contain_text("0 of 4 decided by bob")
        expect(tab.locator("#problem")).to_contain_text("1 decisions wait")
        tab.unroute("**/api/decide")
        tab.locator("#undo").click()
        expect(tab.locator("#said")).to_contain_text("nothing to undo")
        expect(tab.locator("#problem")).to_be_empty()
        press_key(tab, "d", "1 of 4 decided by bob")
    assert [(row["reviewer"], row["decision"]) for row in stored(store, 2)] == [
        ("ann", "distinct"),
        ("bob", "duplicate"),
    ]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_name_changed_while_the_page_loads_is_asked_for(store: Store) -> None:
    """What came for the other name is not shown, and what comes for this one is; an answer that is no JSON is told."""
    from playwright.sync_api import expect

    held: list[Any] = []
    with running_studio(store.root) as address, browser_page(f"{address}/review?queue=duplicates&reviewer=ann") as tab:
        expect(tab.locator("#card h1")).to_be_visible()
        tab.route("**/api/next", lambda route: route.continue_() if held else held.append(route))
        with tab.expect_request("**/api/next"):
            tab.reload()
        tab.get_by_label("Reviewer").fill("bob")
        tab.keyboard.press("Tab")
        held[0].continue_()
        expect(tab.locator("#progress")).to_contain_text("0 of 4 decided by bob")
        expect(tab.locator("#card h1")).to_be_visible()
        tab.route("**/api/decide", lambda route: route.fulfill(status=502, body="the proxy is away"))
        tab.keyboard.press("n")
        expect(tab.locator("#problem")).to_contain_text("the proxy is away")


@pytest.mark.browser
@pytest.mark.timeout(900)
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_next_materialization_follows_the_browser(store: Store) -> None:
    """Real assets make the queues, keys review two pairs and a suspect and undo one, and the assets follow."""
    first, second, suspect = "apps/train/1", "apps/train/2", ("apps/train/3", "humaneval")
    before = materialize(store)
    assert before["pairs"][first] == before["pairs"][second] == ("undecided", None)
    assert before["suspects"][suspect] == ("contaminated", "threshold")
    assert first in before["unique"]
    assert suspect[0] not in before["clean"]
    with running_studio(store.root) as address:
        with browser_page(f"{address}/review?queue=undecided&reviewer=ann") as tab:
            for key, done in (("d", 1), ("d", 2), ("u", 1)):
                press_key(tab, key, f"{done} of 3")
        with browser_page(f"{address}/review?queue=contamination&reviewer=ann") as tab:
            press_key(tab, "n", "1 of 1")
    after = materialize(store)
    assert after["pairs"][first] == ("duplicate", "review")
    assert len({first, "taco/train/1"} & after["unique"].keys()) == 1
    assert after["suspects"][suspect] == ("clean", "review")
    assert suspect[0] in after["clean"]
    assert after["pairs"][second] == before["pairs"][second]  # the undone decision
