"""The ledger: what was committed is there after anything, what was not never half is."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_pipeline.errors import InputError, OptionError, StoreError
from ocr_pipeline.teacher.book import Book
from ocr_pipeline.teacher.ledger import Ledger
from ocr_pipeline.teacher.ledger_postgres import PostgresLedger
from ocr_pipeline.teacher.ledgers import copy_ledgers, merge_ledgers, open_ledger, read_records
from ocr_pipeline.teacher.records import Record, record_line
from ocr_pipeline.teacher.reply import Answer, ErrorKind, Usage
from tests.store.postgres_server import PostgresServer


def record(number: int, *, text: str = "answer", kind: ErrorKind | None = None) -> Record:
    """Return a record whose key is the number."""
    answer = Answer(
        text=f"{text} {number}",
        model="m@1",
        created_ms=number,
        latency_s=0.5,
        attempts=1,
        finish_reason="stop",
        usage=Usage(10, number),
        error_kind=kind,
        error_detail="why" if kind else "",
    )
    return Record(f"{number:064x}", f"{number:064x}", "{}", {"problem_id": f"p{number}"}, answer)


class Books(Protocol):
    """Makes the ledger of a test, as often as it is opened."""

    def __call__(self, *, lock_timeout_s: float = 60.0) -> Book:
        """Return the ledger, not yet open."""


@pytest.fixture(params=["file", "postgres"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Books:
    """Return a maker of ledgers of both kinds: they promise the same."""
    if request.param == "postgres":
        return partial(PostgresLedger, request.getfixturevalue("database"), "toy-python")
    return partial(Ledger, tmp_path / "toy-python.sqlite")


def keys(path: Path) -> list[int]:
    """Return the numbers of all records."""
    return [int(each.request_id, 16) for each in read_records(path)]


def test_what_is_committed_is_read_back_exactly(book: Books) -> None:
    """Every field of an answer survives, also lone tags, NUL bytes and other scripts."""
    written = replace(
        record(7), answer=replace(record(7).answer, text="</think>\0 \u2028 задача 🧮", stop_reason="151643")
    )
    with book() as ledger:
        ledger.commit([written])
    with book() as ledger:
        assert list(ledger.all_records()) == [written]


def test_an_answer_is_never_overwritten(book: Books) -> None:
    """The first answer stays, whatever comes later under its key."""
    with book() as ledger:
        ledger.commit([record(1, text="first")])
        ledger.commit([record(1, text="second"), record(2)])
        texts = [each.answer.text for each in ledger.all_records()]
    assert texts == ["first 1", "answer 2"]


def test_a_failure_that_may_pass_gives_way_to_an_answer(book: Books) -> None:
    """It is not settled, and an answer takes its place; a permanent one is settled and stays."""
    with book() as ledger:
        ledger.commit([record(1, kind=ErrorKind.TIMEOUT), record(2, kind=ErrorKind.MODERATION)])
        assert list(ledger.settled([record(1).request_id, record(2).request_id])) == [record(2).request_id]
        ledger.commit([record(1)])
        kinds = [each.answer.error_kind for each in ledger.all_records()]
    assert kinds == [None, ErrorKind.MODERATION]


def test_a_prompt_too_long_is_final_for_the_same_context(book: Books) -> None:
    """A server with a larger context is asked again, and so is one after a ledger that does not say which it was."""
    long = record(1, kind=ErrorKind.PROMPT_TOO_LONG)
    said = "the maximum context length is 4096 tokens"
    known = replace(long, answer=replace(long.answer, context_tokens=4096, error_detail=said))
    with book() as ledger:
        ledger.commit([known])
        assert list(ledger.settled([long.request_id], context_tokens=4096)) == [long.request_id]
        assert not ledger.settled([long.request_id], context_tokens=32768)
        assert not ledger.settled([long.request_id], context_tokens=4096, retry_failed=True)


def test_failures_of_a_kind_are_forgotten(book: Books) -> None:
    """Answers and other failures stay."""
    with book() as ledger:
        ledger.commit([record(1), record(2, kind=ErrorKind.MODERATION), record(3, kind=ErrorKind.TIMEOUT)])
        assert ledger.forget(ErrorKind.MODERATION) == 1
        assert [each.answer.error_kind for each in ledger.all_records()] == [None, ErrorKind.TIMEOUT]


def test_the_raw_reply_is_kept(book: Books) -> None:
    """What came is in the ledger byte for byte, newlines and broken characters too."""
    plain = record(1)
    with book() as ledger:
        ledger.commit([replace(plain, answer=replace(plain.answer, raw=b'{"a":\n "\xff"}'))])
        assert ledger.records([plain.request_id])[plain.request_id].answer.raw == b'{"a":\n "\xff"}'


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Return a ledger of 30 commits whose last ones are still in the write-ahead log."""
    folder = tmp_path_factory.mktemp("torn")
    script = (
        "import os, sys; from pathlib import Path; from tests.teacher.test_ledger import *\n"
        "ledger = Ledger(Path(sys.argv[1]) / 'l.sqlite').__enter__()\n"
        "for n in range(30): ledger.commit([record(n, text=os.urandom(4000).hex())])\n"
        "os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(folder)], check=False, cwd=Path(__file__).parents[2])
    return folder / "l.sqlite", (folder / "l.sqlite-wal").read_bytes()


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 1), garbage=st.binary(max_size=200))
def test_a_torn_write_loses_at_most_what_was_being_written(
    torn: tuple[Path, bytes], share: float, garbage: bytes
) -> None:
    """The log cut at any byte, with rubbish after it: the records before it are whole, in order, and more can follow."""
    path, log = torn
    copy = Path(tempfile.mkdtemp(dir=path.parent))
    try:
        shutil.copy(path, copy / "l.sqlite")
        (copy / "l.sqlite-wal").write_bytes(log[: int(share * len(log))] + garbage)
        found = keys(copy / "l.sqlite")
        assert found == list(range(len(found)))
        with Ledger(copy / "l.sqlite") as ledger:
            ledger.commit([record(1000)])
        assert keys(copy / "l.sqlite") == [*found, 1000]
    finally:
        shutil.rmtree(copy)


def test_everything_committed_survives_the_death_of_the_process(torn: tuple[Path, bytes], tmp_path: Path) -> None:
    """A process that ends without closing anything has lost nothing."""
    path, log = torn
    shutil.copy(path, tmp_path / "l.sqlite")
    (tmp_path / "l.sqlite-wal").write_bytes(log)
    assert keys(tmp_path / "l.sqlite") == list(range(30))


def test_a_second_writer_waits_and_then_is_told_who_holds_the_ledger(book: Books) -> None:
    """The lock names the process, and is free again when it ends."""
    told = pytest.raises(StoreError, match=rf"being written by process {os.getpid()}.*; waited 0.1 s")
    with book(), told:
        book(lock_timeout_s=0.1).__enter__()
    with book(lock_timeout_s=0.1):
        pass


def test_an_older_schema_is_not_touched(tmp_path: Path) -> None:
    """The message says what to do, and the file stays byte for byte."""
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE answers (request_id TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(
        StoreError, match=r"has schema 0, this version reads 1; export it with the version that wrote it"
    ):
        Ledger(path).__enter__()
    assert path.read_bytes() == before


def test_a_file_that_is_no_ledger_is_said_so(tmp_path: Path) -> None:
    """Not a stack of SQLite's."""
    path = tmp_path / "l.sqlite"
    path.write_bytes(b"this is a text file, not a ledger\n" * 100)
    with pytest.raises(StoreError, match="it is not a ledger: give the path of one"):
        Ledger(path).__enter__()


def test_ledgers_of_several_machines_merge(tmp_path: Path) -> None:
    """Answers win over failures, the target's answers stay, an export merges like a ledger, and again changes nothing."""
    with Ledger(tmp_path / "a.sqlite") as ledger:
        ledger.commit([record(1, text="a"), record(2, kind=ErrorKind.TIMEOUT)])
    with Ledger(tmp_path / "b.sqlite") as ledger:
        ledger.commit([record(1, text="b"), record(2, text="b"), record(3, text="b")])
    (tmp_path / "c.jsonl").write_bytes(record_line(record(4, text="c")))
    assert merge_ledgers(tmp_path / "a.sqlite", [tmp_path / "b.sqlite", tmp_path / "c.jsonl"]) == (3, 1)
    assert [each.answer.text for each in read_records(tmp_path / "a.sqlite")] == ["a 1", "b 2", "b 3", "c 4"]
    assert merge_ledgers(tmp_path / "a.sqlite", [tmp_path / "b.sqlite"]) == (0, 3)


def test_a_torn_line_of_an_export_is_named(tmp_path: Path) -> None:
    """File and line, and what to do."""
    (tmp_path / "c.jsonl").write_bytes(record_line(record(4)) + record_line(record(5))[:-40])
    with pytest.raises(InputError, match=r"c.jsonl` line 2 is not a ledger record"):
        list(read_records(tmp_path / "c.jsonl"))


def test_the_summary_counts_answers_failures_and_the_length_tail(book: Books) -> None:
    """The forecast rests on it."""
    with book() as ledger:
        ledger.commit([*map(record, range(1, 101)), record(200, kind=ErrorKind.BAD_REQUEST)])
        summary = ledger.summary()
    assert (summary.answers, summary.errors, summary.mean_completion_tokens, summary.p95_completion_tokens) == (
        100,
        1,
        50.5,
        95,
    )
    assert summary.models == ("m@1",)


def test_a_ledger_of_before_is_read(tmp_path: Path) -> None:
    """Its answers are not asked again; its refusals, which were final then, are, as nothing says that they still hold."""
    new_fields = ("answer_start", "context_tokens")
    records = [record(1), record(2, kind=ErrorKind.BAD_REQUEST), record(3, kind=ErrorKind.PROMPT_TOO_LONG)]
    ids = [each.request_id for each in records]
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        ledger.commit(records)
    with closing(sqlite3.connect(path)) as file, file:
        for number, each in enumerate(records, start=1):
            old = {name: value for name, value in orjson.loads(record_line(each)).items() if name not in new_fields}
            file.execute("UPDATE bodies SET body = ? WHERE id = ?", (zstandard.compress(orjson.dumps(old)), number))
        file.execute("UPDATE answers SET is_final = 1")
    with Ledger(path) as ledger:
        assert list(ledger.settled(ids, context_tokens=4096)) == ids[:1]
        assert ledger.records(ids)[ids[0]].answer.text == records[0].answer.text
        ledger.commit([record(2)])
        assert list(ledger.settled(ids[1:2])) == ids[1:2]


def test_a_ledger_is_copied_into_a_database_and_back(database: str, tmp_path: Path) -> None:
    """Answers, failures and raw replies are the same; again nothing is new; what the target has stays."""
    (tmp_path / "a").mkdir()
    raw = replace(record(3), answer=replace(record(3).answer, raw=b"{}\xff"))
    written = {"taco-python": [record(1), record(2, kind=ErrorKind.TIMEOUT), raw], "pairs": [record(4)]}
    for name, records in written.items():
        with Ledger(tmp_path / "a" / f"{name}.sqlite") as ledger:
            ledger.commit(records)
    assert copy_ledgers(str(tmp_path / "a"), database) == {"pairs": (1, 0), "taco-python": (3, 0)}
    assert copy_ledgers(database, str(tmp_path / "b")) == {"pairs": (1, 0), "taco-python": (3, 0)}
    for name, records in written.items():
        assert list(read_records(tmp_path / "b" / f"{name}.sqlite")) == records
    assert copy_ledgers(database, str(tmp_path / "b")) == {"pairs": (0, 1), "taco-python": (1, 2)}


def test_the_environment_names_the_database(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger has the name of its file there, and no file is made."""
    monkeypatch.setenv("OCR_PIPELINE_LEDGER", database)
    with open_ledger(tmp_path / "taco-cpp.sqlite") as ledger:
        ledger.commit([record(1)])
    with PostgresLedger(database, "taco-cpp") as ledger:
        assert [each.request_id for each in ledger.all_records()] == [record(1).request_id]
    assert list(tmp_path.iterdir()) == []


def test_an_environment_that_names_no_database_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder there would be paid for and never found again."""
    monkeypatch.setenv("OCR_PIPELINE_LEDGER", "/data/ledger")
    with pytest.raises(
        OptionError, match="OCR_PIPELINE_LEDGER must be postgresql://user@host:5432/database; for files"
    ):
        open_ledger(tmp_path / "taco-cpp.sqlite")


def test_ledgers_of_a_database_do_not_mix(database: str) -> None:
    """The same key may be in several; forgetting concerns one."""
    with PostgresLedger(database, "a") as first, PostgresLedger(database, "b") as second:
        first.commit([record(1, kind=ErrorKind.TIMEOUT)])
        second.commit([record(1, kind=ErrorKind.TIMEOUT)])
        assert first.forget(ErrorKind.TIMEOUT) == 1
        assert [each.request_id for each in second.all_records()] == [record(1).request_id]
        assert (first.summary().errors, second.summary().errors) == (0, 1)


def test_a_database_that_restarts_is_waited_for(postgres: PostgresServer) -> None:
    """What was committed before its crash is there, what comes after it is written, and the lock is held again."""
    name = f"restart-{uuid.uuid4().hex[:6]}"
    with PostgresLedger(postgres.url, name) as ledger:
        ledger.commit([record(1)])
        postgres.stop()
        again = threading.Timer(1.0, postgres.start)
        again.start()
        ledger.commit([record(2)])
        again.join()
        assert [int(each.request_id, 16) for each in ledger.all_records()] == [1, 2]
        with pytest.raises(StoreError, match="being written by process"):
            PostgresLedger(postgres.url, name, lock_timeout_s=0.1).__enter__()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace("/test_", "/absent_"), "does not exist; make the database"),
        (lambda url: url.replace("tester@", "nobody_here@"), "check user and password|make the database"),
        (lambda url: re.sub(r":\d+/", ":9/", url), "refused.*check that it runs and can be reached"),
    ],
    ids=["database", "user", "port"],
)
def test_a_database_that_cannot_be_used_is_one_line(
    database: str, change: Callable[[str], str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the address, without the password, and what to do next."""
    monkeypatch.setattr("ocr_pipeline.store.postgres.PATIENCE_S", 0.0)
    with pytest.raises(StoreError, match=said) as told:
        PostgresLedger(change(database).replace("@", ":secret@"), "l").__enter__()
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


def test_everything_committed_survives_the_death_of_a_writer_of_postgres(database: str) -> None:
    """A process that is killed has lost nothing that was committed, and its lock is free at once."""
    script = (
        "import os, sys; from tests.teacher.test_ledger import *\n"
        "ledger = PostgresLedger(sys.argv[1], 'l').__enter__()\n"
        "for n in range(30): ledger.commit([record(n, text=os.urandom(4000).hex())])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, database], check=False, cwd=Path(__file__).parents[2])
    with PostgresLedger(database, "l", lock_timeout_s=5) as ledger:
        assert [int(each.request_id, 16) for each in ledger.all_records()] == list(range(30))


@pytest.mark.parametrize("url", ["postgresql://u:hunter2/x@127.0.0.1/db", "postgresql://u:hunter2@host:port/db"])
def test_an_address_that_cannot_be_read_is_one_line(url: str) -> None:
    """Without its password, and with what signs in it are written as."""
    with pytest.raises(
        OptionError, match="must be postgresql://user@host:5432/database; in user and password"
    ) as caught:
        PostgresLedger(url, "x")
    assert "hunter2" not in str(caught.value)
