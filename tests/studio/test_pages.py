"""The pages in a simulated session and in a real browser: keys decide, undo takes back, the decisions are on disk."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from ocr_pipeline.cli import build_app
from ocr_pipeline.definitions import build_defs
from ocr_pipeline.duplicates import DuplicateConfig, find_pairs
from ocr_pipeline.errors import InputError
from ocr_pipeline.similarity import ReviewDecision, Reviews, read_reviews
from ocr_pipeline.store import Store
from ocr_pipeline.studio import standing, stored_reviews
from ocr_pipeline.tables import CLEAN_PROBLEMS, CONTAMINATION, DUPLICATE_PAIRS, PROBLEMS, REVIEWS, UNIQUE_PROBLEMS
from resources import StoreResource
from tests.evidence import root as evidence_root
from tests.similarity.stub import WordEncoder
from tests.studio import root as studio_root

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from streamlit.testing.v1 import AppTest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
START_TIMEOUT_S = 60.0
STEP_TIMEOUT_MS = 20_000


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a data root with five uncertain pairs, which the pages are told of."""
    monkeypatch.setenv("OCR_PIPELINE_DATA", str(tmp_path / "root"))
    return studio_root.build_root(tmp_path / "root")


@pytest.fixture
def page(store: Store) -> "AppTest":  # noqa: ARG001 - the page reads it through the environment
    """Return the review page of that root."""
    return open_page()


def open_page(page: str = "review") -> "AppTest":
    """Run a page of the studio without a browser."""
    from streamlit.testing.v1 import AppTest

    module = f"ocr_pipeline.studio.{page}_page"
    script = f"from {module} import {page}_page\n{page}_page()\n"
    return AppTest.from_string(script, default_timeout=30).run()


def press(app: "AppTest", label: str) -> "AppTest":
    """Click the button with this label."""
    (button,) = [button for button in app.button if button.label == label]
    return button.click().run()


def texts(app: "AppTest") -> str:
    """Return what the page shows as HTML and Markdown."""
    return "\n".join([*(one.value for one in app.markdown), *(str(one.proto.body) for one in app.get("html"))])


def test_page_shows_evidence_and_marks_the_difference(page: "AppTest") -> None:
    """The least certain pair comes first, side by side, its markup shown as text."""
    shown = texts(page)
    assert "cosine **0.7100**" in shown
    assert "<mark>two</mark>" in shown
    assert "&lt;<mark>b</mark>" in shown or "&lt;b&gt;" in shown
    assert "the pipeline says **duplicate** (by threshold)" in shown


def test_decision_is_stored_and_the_next_pair_comes(store: Store) -> None:
    """A click writes one row with the reviewer's name and shows the next question."""
    app = open_page()
    app.text_input(key="reviewer").set_value("ann").run()
    press(app, "Distinct")
    (row,) = stored_reviews(store).to_pylist()
    assert (row["pair_key"], row["decision"], row["reviewer"]) == (studio_root.key_of(1), "distinct", "ann")
    assert app.subheader[0].value == "Is the problem on the left in humaneval?"
    assert "letters of a word" in texts(app)


def test_statement_of_a_benchmark_file_is_shown(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A benchmark that was never ingested is read from its file."""
    lines = {"problem_id": "mine/1", "statement": "Count every letter of a word."}
    (tmp_path / "mine.jsonl").write_text(json.dumps(lines) + "\n")
    monkeypatch.setenv("OCR_PIPELINE_BENCHMARKS", str(tmp_path))
    row = studio_root.contaminated() | {"benchmark": "mine", "benchmark_id": "mine/1", "cosine": 0.7}
    evidence_root.put(store, CONTAMINATION, [row], config={"threshold": studio_root.THRESHOLD})
    shown = texts(open_page())
    assert "<mark>every letter</mark>" in shown


def test_note_is_stored_with_the_decision(store: Store) -> None:
    """What the reviewer wrote stands in the row."""
    app = open_page()
    app.text_input(key=f"note-{studio_root.key_of(1)}").set_value("other limits")
    press(app, "Duplicate")
    assert stored_reviews(store)["note"].to_pylist() == ["other limits"]


def test_undo_takes_back_and_returns_to_the_pair(store: Store) -> None:
    """The decision is withdrawn by a further row, and the pair is asked again."""
    app = open_page()
    press(press(app, "Distinct"), "Undo")
    assert stored_reviews(store)["decision"].to_pylist() == ["distinct", "withdrawn"]
    assert app.subheader[0].value == "Are these the same problem?"
    assert "cosine **0.7100**" in texts(app)


def test_skipped_pair_comes_last(store: Store) -> None:
    """Skipping stores nothing."""
    app = open_page()
    press(app, "Skip")
    assert "cosine **0.7200**" in texts(app)
    assert stored_reviews(store).num_rows == 0


def test_nameless_reviewer_cannot_decide(page: "AppTest") -> None:
    """The keys are dead until somebody says who decides."""
    page.text_input(key="reviewer").set_value(" ").run()
    assert {button.label: button.disabled for button in page.button}["Distinct"]


def test_second_reviewer_is_asked_the_same_pair_and_agreement_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second opinion is asked for without showing the first; afterwards both are compared."""
    monkeypatch.setenv("OCR_PIPELINE_DATA", str(tmp_path))
    studio_root.build_root(tmp_path, studio_root.pair(1))
    app = open_page()
    app.text_input(key="reviewer").set_value("ann").run()
    press(app, "Distinct")
    app.text_input(key="reviewer").set_value("bob").run()
    press(app, "Clean")
    assert "cosine **0.7100**" in texts(app)
    assert "ann" not in texts(app)
    press(app, "Duplicate")
    shown = app.get("progress")[0].proto.text
    assert "ann and bob agree on 0 of 1" in shown
    assert "1 disputed" in shown


def test_everything_decided_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last decision ends in a sentence that says what comes next."""
    monkeypatch.setenv("OCR_PIPELINE_DATA", str(tmp_path))
    studio_root.build_root(tmp_path, studio_root.pair(1))
    app = press(press(open_page(), "Duplicate"), "Clean")
    assert "Materialize" in app.success[0].value


def test_decision_that_cannot_be_stored_is_said(page: "AppTest", monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is one line on the page, and the pair stays."""
    monkeypatch.setattr("ocr_pipeline.store.places.sync", _full_disk)
    press(page, "Distinct")
    assert page.error[0].value.startswith("Not stored: ")
    assert "cosine **0.7100**" in texts(page)


def _full_disk(path: Path) -> None:
    raise OSError(28, "No space left", str(path))


def test_browse_page_tells_the_life_of_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id typed in is explained; an unknown one gets the nearest ids."""
    monkeypatch.setenv("OCR_PIPELINE_DATA", str(tmp_path))
    evidence_root.build_root(tmp_path)
    app = open_page("browse")
    app.text_input(key="id-None").set_value(evidence_root.SUM_AGAIN).run()
    assert f"duplicate of {evidence_root.SUM}" in texts(app)
    app.text_input(key="id-None").set_value("taco/train/11").run()
    assert "ids look like taco/train/1" in app.warning[0].value


@pytest.mark.parametrize("what", ["problems", "rejected", "samples"])
def test_browse_page_lists_rows(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of row has its list, which words narrow down."""
    monkeypatch.setenv("OCR_PIPELINE_DATA", str(tmp_path))
    evidence_root.build_root(tmp_path)
    app = open_page("browse")
    app.radio(key="what").set_value(what).run()
    assert app.dataframe[0].value.shape[0] > 0 or what == "rejected"
    app.text_input(key="words").set_value("no such row").run()
    assert app.dataframe[0].value.shape[0] == 0


def test_funnel_page_checks_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stages, the reasons, and the check by id."""
    monkeypatch.setenv("OCR_PIPELINE_DATA", str(tmp_path))
    evidence_root.build_root(tmp_path)
    app = open_page("funnel")
    assert app.dataframe[0].value["stage"].iloc[0] == "problems"
    assert press(app, "Check by id").success[0].value == "Every row is accounted for."


@pytest.mark.parametrize("page", ["review", "browse", "funnel"])
def test_pages_of_an_empty_root_say_so(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing materialized is a sentence, not an error."""
    monkeypatch.setenv("OCR_PIPELINE_DATA", str(tmp_path))
    app = open_page(page)
    assert app.info
    assert not app.exception


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
    assert f"cannot listen on 127.0.0.1:{port}" in str(result.exception)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def running_studio(root: str) -> Iterator[str]:
    """Start the command as a person would; end it as Ctrl-C does."""
    port = free_port()
    command = [sys.executable, "-m", "ocr_pipeline.cli", "studio", "--data", root, "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, "HOME": str(Path(root).parent)})
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(f"{address}/_stcore/health", process)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(START_TIMEOUT_S)


def _wait_until_up(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the studio ended by itself"
        try:
            urllib.request.urlopen(url, timeout=1)  # noqa: S310 - our own loopback server
        except OSError:
            process_wait_a_moment(process)
        else:
            return
    pytest.fail("the studio did not start")


def process_wait_a_moment(process: "subprocess.Popen[bytes]") -> None:
    """Give the server a moment, less when it ends."""
    try:
        process.wait(0.1)
    except subprocess.TimeoutExpired:
        return


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
    """Press a key on the pair that is shown, and wait until ann's progress says so."""
    from playwright.sync_api import expect

    expect(tab.locator(".statement").first).to_be_visible(timeout=STEP_TIMEOUT_MS)
    expect(tab.get_by_role("button", name="Skip")).to_have_count(1)  # the last pair's buttons are gone
    expect(tab.locator(".stApp")).to_have_attribute("data-test-script-state", "notRunning")
    tab.keyboard.press(key)
    expect(tab.get_by_text("decided by ann")).to_contain_text(then)


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
    pairs = find_pairs(
        chain.from_iterable(store.open(PROBLEMS, dataset=name).to_batches() for name in ("apps", "taco")),
        tests=None,
        config=DuplicateConfig(threshold=studio_root.THRESHOLD),
        encoder=WordEncoder(),
        reviews=read_reviews(store.open(REVIEWS)) if store.partitions(REVIEWS) else Reviews(),
    )
    return {row["pair_key"]: (row["decision"], row["decided_by"]) for row in pairs.to_pylist()}


def test_next_run_follows_the_page(store: Store, page: "AppTest") -> None:
    """What a reviewer decides overrides the pipeline when it runs again, until it is taken back."""
    key = studio_root.key_of(1)
    before = decided_by_the_next_run(store).get(key)
    press(page, "Distinct")
    assert decided_by_the_next_run(store)[key] == ("distinct", "review")
    press(page, "Undo")
    assert decided_by_the_next_run(store).get(key) == before != ("distinct", "review")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_three_pairs_reviewed_and_one_undone_in_a_browser(store: Store) -> None:
    """Keys alone review three pairs and undo the last; the table holds exactly that, the reviewer's name included."""
    from playwright.sync_api import expect

    with running_studio(store.root) as address, browser_page(f"{address}/?reviewer=ann") as tab:
        for key, done in (("n", 1), ("d", 2), ("d", 3), ("u", 2)):
            press_key(tab, key, f"{done} of 5")
        tab.get_by_role("textbox", name="Reviewer").fill("")
        tab.get_by_role("textbox", name="Reviewer").press_sequentially("dnsu")  # in a field, letters are letters
        tab.keyboard.press("Enter")
        expect(tab.get_by_text("decided by dnsu")).to_contain_text("0 of 5")
    rows = stored_reviews(store).to_pylist()
    assert [row["decision"] for row in rows] == ["distinct", "duplicate", "duplicate", "withdrawn"]
    assert {row["reviewer"] for row in rows} == {"ann"}
    assert [row["kind"] for row in rows] == ["duplicate", "contamination", "duplicate", "duplicate"]
    assert rows[2]["pair_key"] == rows[3]["pair_key"] == studio_root.key_of(3)
    assert standing(store).decision(studio_root.key_of(1)) == ReviewDecision.DISTINCT
    assert standing(store).decision(studio_root.key_of(3)) is None
    after = decided_by_the_next_run(store)
    assert after[studio_root.key_of(1)] == ("distinct", "review")
    assert after.get(studio_root.key_of(3), ("", ""))[1] != "review"


@pytest.mark.browser
@pytest.mark.timeout(900)
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_next_materialization_follows_the_browser(store: Store) -> None:
    """Real assets make the queue, keys review three of its pairs and undo the last, and the assets follow."""
    third, second, suspect = "apps/train/3", "apps/train/2", ("apps/train/3", "humaneval")
    before = materialize(store)
    assert before["pairs"][third] == before["pairs"][second] == ("duplicate", "threshold")
    assert before["suspects"][suspect] == ("contaminated", "threshold")
    assert "taco/train/3" not in before["unique"]
    assert third not in before["clean"]
    with running_studio(store.root) as address, browser_page(f"{address}/?reviewer=ann") as tab:
        for key, done in (("n", 1), ("n", 2), ("n", 3), ("u", 2)):
            press_key(tab, key, f"{done} of 4")
    after = materialize(store)
    assert after["pairs"][third] == ("distinct", "review")
    assert after["suspects"][suspect] == ("clean", "review")
    assert {third, "taco/train/3"} <= after["unique"].keys()
    assert third in after["clean"]
    assert after["pairs"][second] == before["pairs"][second]  # the undone decision
    assert second not in after["unique"]
