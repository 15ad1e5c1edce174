"""Object storage, on a real S3 server: no rename and no locks, so a manifest that is put on condition decides."""

from __future__ import annotations

import json
import random
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import obstore
import pytest
from typer.testing import CliRunner

from ocr_pipeline.errors import InputError, OvertakenError, StoreError
from ocr_pipeline.similarity import ReviewDecision
from ocr_pipeline.store import Store, objects
from ocr_pipeline.store.command import storage
from ocr_pipeline.store.writing import PartitionWriter
from ocr_pipeline.studio import PairKind, Review, append_reviews, stored_reviews
from ocr_pipeline.tables import TESTS
from tests.store import child as store_child
from tests.store.rows import TACO, inputs, test_rows, write
from tests.store.s3_server import Fault, Server

ROUNDS = 25
DECISIONS = 6
KILLS = 6
PATIENCE_S = 60


@pytest.fixture
def store(root: str) -> Store:
    """Return a store on S3."""
    return Store(root, lock_timeout_s=0.1)


@pytest.fixture
def machines(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a maker of stores that do not see each other's locks, as on two machines."""

    def machine(name: str, **options: Any) -> Store:
        store = Store(root, run=name, **options)
        monkeypatch.setattr(store, "_lock_folder", lambda: tmp_path / name)
        return store

    return machine


def names(store: Store) -> set[str]:
    """Return the objects of the tests partition."""
    return set(store._objects.listed(store.path(TESTS, **TACO)))


def whole(store: Store) -> str:
    """Return whose rows the partition holds, after checking that all of them and no others are there."""
    manifest = store.manifest(TESTS, **TACO)
    assert manifest is not None
    assert {file.name for file in manifest.files} <= names(store)
    (name,) = set(inputs(store))
    assert len(inputs(store)) == manifest.rows
    return name


def test_rows_come_back(store: Store) -> None:
    """The same reader API as on a local root, with a URI for people."""
    write(store, test_rows(["a", "b"]))
    assert store.local_root is None
    assert inputs(store) == ["a", "b"]
    assert store.partitions(TESTS) == [TACO]
    assert store.uri(TESTS, **TACO) == f"{store.root}/tests/dataset=taco"


def test_content_hashes_do_not_depend_on_object_names(store: Store, tmp_path: Path) -> None:
    """The same rows have the same content hash on object storage and on disk."""
    first, second = write(store, test_rows(["a"])), write(Store(tmp_path), test_rows(["a"]))
    assert first.content_sha256 == second.content_sha256


def test_the_second_of_two_machines_is_told_who_was_first(machines: Any) -> None:
    """Its rows are not published, its parts are removed, and the winner's stay."""
    with ExitStack() as stack:
        first = stack.enter_context(machines("first").writer(TESTS, TACO, config={}, code_version="1"))
        first.write(test_rows(["first"]))
        write(machines("second"), test_rows(["second"]))
        with pytest.raises(OvertakenError, match=r"replaced meanwhile by run second \(process \d+ on .*\) at 20"):
            stack.close()
    found = machines("reader")
    assert whole(found) == "second"
    manifest = found.manifest(TESTS, **TACO)
    assert names(found) == {"_manifest.json", *(file.name for file in manifest.files)}


@pytest.mark.slow
def test_many_rounds_of_two_machines_never_lose_a_generation(machines: Any) -> None:
    """Both publish at the same moment, many times: one wins, the other is told, and the partition is whole."""
    for number in range(ROUNDS):
        start, told = threading.Barrier(2), list[str]()

        def finish(writer: PartitionWriter, start: threading.Barrier = start, told: list[str] = told) -> None:
            start.wait(60)
            try:
                writer.__exit__(None, None, None)
            except OvertakenError as error:
                told.append(str(error))

        stores = [machines(name, grace_s=0) for name in ("a", "b")]
        writers = [store.writer(TESTS, TACO, config={}, code_version="1").__enter__() for store in stores]
        for store, writer in zip(stores, writers, strict=True):
            writer.write(test_rows([f"{store.run}{number}"] * 3))
        threads = [threading.Thread(target=finish, args=(writer,)) for writer in writers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(told) == 1
        assert whole(stores[0]) in {f"a{number}", f"b{number}"}


def test_reviews_of_two_machines_are_all_kept(machines: Any) -> None:
    """Who is overtaken adds its decision to what the other wrote: it is people's work."""
    noon = datetime(2026, 11, 26, 12, tzinfo=UTC)

    def decide(name: str) -> None:
        store = machines(name)
        for number in range(DECISIONS):
            append_reviews(store, [Review(f"{name}{number}", PairKind.DUPLICATE, ReviewDecision.DISTINCT, name, noon)])

    threads = [threading.Thread(target=decide, args=(name,)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = stored_reviews(machines("reader"))["pair_key"].to_pylist()
    assert sorted(found) == sorted(f"{name}{number}" for name in ("ann", "bob") for number in range(DECISIONS))


def test_a_reader_that_opened_before_finishes(store: Store) -> None:
    """What is replaced stays for the grace period, beside a note that readers pass over."""
    write(store, test_rows(["old"]))
    opened = store.open(TESTS, **TACO)
    write(store, test_rows(["new"]))
    assert opened.to_table(columns=["input"])["input"].to_pylist() == ["old"]
    assert inputs(store) == ["new"]


def test_replaced_parts_go_after_the_grace_period(root: str) -> None:
    """The next writer deletes what was replaced long enough ago, and nothing that the manifest names."""
    store = Store(root, grace_s=0)
    for text in ("first", "second", "third"):
        last = write(store, test_rows([text]))
    assert names(store) == {"_manifest.json", last.files[0].name}
    assert inputs(store) == ["third"]


def test_parts_of_others_are_never_deleted(store: Store) -> None:
    """An object that no manifest names may belong to a writer that is still at work."""
    write(store, test_rows(["old"]))
    store._objects.put_plainly(f"{store.path(TESTS, **TACO)}/part-00000-other.parquet", b"at work")
    write(Store(store.root, grace_s=0), test_rows(["new"]))
    assert "part-00000-other.parquet" in names(store)


def test_parts_that_somebody_deleted_are_not_published(store: Store) -> None:
    """A writer looks at its own parts first; the old version stays."""
    write(store, test_rows(["old"]))

    def undone() -> None:
        with store.writer(TESTS, TACO, config={}, code_version="1") as writer:
            writer.write(test_rows(["new"]))
            publish = writer._place.publish

            def after_a_deletion(manifest: Any) -> None:
                store._objects.delete([f"{store.path(TESTS, **TACO)}/{manifest.files[0].name}"])
                publish(manifest)

            writer._place.publish = after_a_deletion  # type: ignore[method-assign]

    with pytest.raises(StoreError, match=r"is not as it was written; somebody else deletes in this storage"):
        undone()
    assert inputs(store) == ["old"]


def test_a_failing_step_deletes_its_objects(store: Store) -> None:
    """An error inside the block leaves the old objects and no others."""
    write(store, test_rows(["old"]))
    before = names(store)

    def break_off() -> None:
        with store.writer(TESTS, TACO, config={}, code_version="1") as writer:
            writer.write(test_rows(["x"] * 70_000))
            writer.write(test_rows(["a"]).drop_columns(["expected"]))

    with pytest.raises(InputError, match="expected"):
        break_off()
    assert names(store) == before
    assert inputs(store) == ["old"]


def test_writers_of_one_machine_exclude_each_other(store: Store) -> None:
    """Locks lie outside the storage, which has none."""
    with store.writer(TESTS, TACO, config={}, code_version="1") as writer:
        writer.write(test_rows(["first"]))
        with pytest.raises(StoreError, match="is being written by process"):
            write(store, test_rows(["second"]))
    assert inputs(store) == ["first"]


def test_storage_without_conditional_puts_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes every put, whatever its condition, would let two writers destroy each other's rows."""
    plain = obstore.put
    monkeypatch.setattr(
        obstore, "put", lambda store, path, data, **_options: plain(store, path, data, use_multipart=False)
    )
    with pytest.raises(StoreError, match=r"takes puts whose condition is not met \(If-None-Match, If-Match\)"):
        write(store, test_rows(["a"]))
    assert store.manifest(TESTS, **TACO) is None


def test_other_kinds_of_storage_can_be_read_only() -> None:
    """A file system without conditional puts is no place for two writers."""
    with pytest.raises(StoreError, match="`mock:///bucket/root` can be read, not written: mock:// has no conditional"):
        write(Store("mock:///bucket/root"), test_rows(["a"]))


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_passes_is_tried_again(store: Store, s3: Server, method: str) -> None:
    """Two overloaded answers, also to the put of the manifest, are no failure."""
    write(store, test_rows(["old"]))
    s3.misbehave(Fault(503, times=2, method=method))
    write(store, test_rows(["new"]))
    s3.misbehave(Fault(503, times=2, method=method))
    assert inputs(store) == ["new"]


def test_slow_answers_are_waited_for(store: Store, s3: Server) -> None:
    """A storage that takes its time loses nothing."""
    s3.misbehave(Fault(delay_s=1.0, times=3))
    write(store, test_rows(["a"]))
    assert inputs(store) == ["a"]


@pytest.mark.parametrize(
    ("fault", "advice"),
    [(Fault(403), "check the credentials"), (Fault(503), "try again when the storage answers")],
    ids=["403", "503"],
)
def test_storage_that_refuses_is_one_line(
    s3: Server, root: str, fault: Fault, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading and writing say what it said and what to do; the old version stays."""
    write(Store(root), test_rows(["old"]))
    monkeypatch.setattr(objects, "ATTEMPTS", 1)
    s3.misbehave(fault)
    for work in (inputs, lambda store: write(store, test_rows(["new"]))):
        with pytest.raises(StoreError, match=rf"cannot be used: [^\n]*; .*{advice}") as told:
            work(Store(root))
        assert "\n" not in str(told.value)
        assert "<" not in str(told.value)
    s3.misbehave()
    assert inputs(Store(root)) == ["old"]


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("HTTP error 503 at http://127.0.0.1:40351/bucket-403/root", "try again when the storage answers"),
        ("NoSuchBucket at http://127.0.0.1:45031/b503", "make the bucket"),
        ("connect refused by 127.0.0.1:50023", "check the endpoint"),
        ("HTTP error 403 at http://127.0.0.1:50321/b", "check the credentials"),
    ],
)
def test_the_digits_of_an_address_are_no_status(said: str, advice: str) -> None:
    """A port or a bucket may hold 403 or 503 without being refused."""
    assert advice in str(objects.explained("s3://bucket-403/root", OSError(said)))


def test_a_part_that_cannot_be_put_is_one_line(s3: Server, root: str) -> None:
    """Also in the middle of the rows: the old version stays, and no half one is published."""
    store = Store(root)
    write(store, test_rows(["old"]))
    s3.misbehave(Fault(403, path=".parquet", method="PUT"), Fault(403, path=".parquet", method="POST"))
    with pytest.raises(
        StoreError, match=r"parquet` (cannot be used: .*check the credentials|is not as it was written)"
    ):
        write(store, test_rows(["new"] * 9_000))
    s3.misbehave()
    assert inputs(store) == ["old"]


def test_nobody_at_the_endpoint_is_one_line(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection names the address."""
    monkeypatch.setattr(objects, "ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for work in (inputs, lambda store: write(store, test_rows(["new"]))):
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:9.*check the endpoint \(AWS_ENDPOINT_URL\)"):
            work(Store(root))


def test_a_missing_bucket_is_one_line(s3: Server) -> None:
    """It is not made silently: its owner, region and rules are somebody's choice."""
    assert s3.url
    with pytest.raises(StoreError, match="make the bucket"):
        write(Store("s3://no-such-bucket/root"), test_rows(["a"]))


def test_a_put_without_an_answer_keeps_its_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest may have arrived: whoever deletes the parts then destroys the partition."""
    put = store._objects.put

    def lost(path: str, data: bytes, **options: Any) -> None:
        put(path, data, **options)
        if path.endswith("_manifest.json"):
            raise StoreError("no answer")

    monkeypatch.setattr(store._objects, "put", lost)
    with pytest.raises(StoreError, match="no answer"):
        write(store, test_rows(["a"]))
    assert whole(store) == "a"


@contextmanager
def child(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a writer that can be killed."""
    command = [sys.executable, "-m", "tests.store.child", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    """Return the next thing that a writer says."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], PATIENCE_S)[0], "the child said nothing"
    return process.stdout.readline().strip()


@pytest.mark.parametrize(("where", "survivor"), [("put:before", 1), ("put:after", 2)])
def test_a_kill_around_the_manifest_leaves_a_whole_partition(store: Store, where: str, survivor: int) -> None:
    """Before it is put the old version stays, after it the new one; what is left over disturbs nobody."""
    store_child.write_version(store, 1)
    with child("die", store.root, where) as writer:
        assert writer.wait(PATIENCE_S) == -9
    assert whole(store) == str(survivor)
    store_child.write_version(store, 3)
    assert whole(store) == "3"


@pytest.mark.slow
def test_kills_at_random_moments_leave_a_whole_partition(store: Store) -> None:
    """After each kill the newest whole version is there, and a person can remove what nobody names."""
    moments, version = random.Random(20261126), 0  # noqa: S311 - moments, not secrets
    for _ in range(KILLS):
        with child("versions", store.root, version + 1) as writer:
            version = int(line(writer))
            with suppress(subprocess.TimeoutExpired):
                writer.wait(moments.uniform(0, 0.1))
        assert int(whole(store)) >= version
        version = int(whole(store))
    store.sweep([path for path, _ in store.unnamed(older_than_s=0)])
    assert not list(store.unnamed(older_than_s=0))
    assert int(whole(store)) == version


def test_a_reader_during_replacements_sees_whole_versions(store: Store) -> None:
    """Opening and reading while another process replaces the partition always gives one version, the newest first."""
    with child("versions", store.root, 1) as writer:
        line(writer)
        seen: list[int] = []
        until = time.monotonic() + PATIENCE_S
        while len(set(seen)) < 5 and time.monotonic() < until:
            (version,) = set(inputs(store))  # a mixture of versions does not unpack
            seen.append(int(version))
    assert len(set(seen)) == 5
    assert seen == sorted(seen)


def test_what_no_manifest_names_is_found(store: Store) -> None:
    """Parts of killed writers are listed for a person, once they are old; what is named or noted is not."""
    write(store, test_rows(["old"]))
    write(store, test_rows(["new"]))
    left = f"{store.path(TESTS, **TACO)}/part-00000-killed.parquet"
    store._objects.put_plainly(left, b"1234")
    assert list(store.unnamed(older_than_s=0)) == [(left, 4)]
    assert list(store.unnamed(older_than_s=3600)) == []


def test_the_manifest_does_not_say_who_wrote_it(store: Store) -> None:
    """Who and when are beside the object: the same rows give the same manifest but for the names of the parts."""
    write(store, test_rows(["a"]))
    found = store._objects.get(f"{store.path(TESTS, **TACO)}/_manifest.json")
    assert found is not None
    assert "host" not in json.loads(found.data)
    assert "run none" in found.writer


def test_an_unknown_option_of_a_uri_is_named() -> None:
    """A misspelt endpoint would otherwise lead to somebody else's storage."""
    with pytest.raises(StoreError, match=r"no option endpoint; there are endpoint_override, region, scheme"):
        Store("s3://bucket/root?endpoint=127.0.0.1:9000")


@pytest.mark.parametrize("given", ["a day", "-1", "inf"])
def test_a_grace_period_is_a_number_of_seconds(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """Anything else is one line, before a reader loses its rows."""
    monkeypatch.setenv("OCR_PIPELINE_GRACE_S", given)
    with pytest.raises(
        InputError, match=rf"OCR_PIPELINE_GRACE_S must be a number of seconds, 0 or more, got `{given}`"
    ):
        Store("data")


def test_sweep_lists_and_then_deletes(store: Store) -> None:
    """Nothing is deleted before a person says so."""
    write(store, test_rows(["a"]))
    left = f"{store.path(TESTS, **TACO)}/part-00000-killed.parquet"
    store._objects.put_plainly(left, b"1234")
    asked = ["sweep", "--data", store.root, "--older-than-h", "0"]
    listed = CliRunner().invoke(storage, asked)
    assert (listed.exit_code, listed.stdout) == (0, f"{left}\t4\n")
    assert "part-00000-killed.parquet" in names(store)
    CliRunner().invoke(storage, [*asked, "--delete"])
    assert "part-00000-killed.parquet" not in names(store)
    assert whole(store) == "a"


def test_a_storage_that_fails_in_the_middle_of_a_stream_is_one_line(
    s3: Server, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is right, and the rest is an error of the storage, not a traceback of a library."""
    monkeypatch.setattr(objects, "ATTEMPTS", 1)
    write(Store(root), test_rows(["a"]))
    stream = Store(root).batches(TESTS, **TACO)
    s3.misbehave(Fault(403, path=".parquet"))
    with pytest.raises(StoreError, match=r"cannot be used: .*check the credentials"):
        list(stream)
