"""Whatever happens to a writer, a partition is whole: kill -9, orphans, a second writer, a full or read-only disk."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pytest

from ocr_pipeline.errors import OvertakenError, StoreError
from ocr_pipeline.store import FileWriter, Store
from ocr_pipeline.tables import TESTS
from tests.store import child as store_child
from tests.store.rows import TACO, inputs, test_rows, write

KILLS = 6
PATIENCE_S = 60


@contextmanager
def _child(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.store.child", *map(str, arguments)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], PATIENCE_S)[0], "the child said nothing"
    return process.stdout.readline().strip()


def _version(root: Path) -> int:
    """Return the version the partition holds, after checking that it is whole."""
    manifest = Store(root).manifest(TESTS, **TACO)
    assert manifest is not None
    folder = root / "tests" / "dataset=taco"
    assert {file.name for file in folder.iterdir()} == {"_manifest.json", *(file.name for file in manifest.files)}
    for file in manifest.files:
        assert hashlib.sha256((folder / file.name).read_bytes()).hexdigest() == file.sha256
    texts = inputs(Store(root))
    assert len(texts) == store_child.ROWS
    assert set(texts) == {manifest.code_version}
    return int(manifest.code_version)


@pytest.mark.slow
def test_kills_at_random_moments_leave_a_whole_partition(tmp_path: Path) -> None:
    """After each kill the newest whole version stands there, and nobody has to clean up."""
    moments, version = random.Random(20261121), 0  # noqa: S311 - moments, not secrets
    for _ in range(KILLS):
        with _child("versions", tmp_path, version + 1) as writer:
            version = int(_line(writer))
            with suppress(subprocess.TimeoutExpired):
                writer.wait(moments.uniform(0, 0.05))
        found = _version(tmp_path)
        assert found >= version
        version = found
    write(Store(tmp_path, lock_timeout_s=5), test_rows(["after"]))
    assert not any((tmp_path / "_staging").iterdir())


@pytest.mark.parametrize(
    ("where", "survivor"),
    [("sync:before", 1), ("to_json:before", 1), ("_replace_folder:before", 1), ("_replace_folder:after", 2)],
)
def test_a_kill_between_any_two_steps_leaves_a_whole_partition(tmp_path: Path, where: str, survivor: int) -> None:
    """Before the exchange the old version stays, after it the new one; the next writer removes what was left."""
    store_child.write_version(Store(tmp_path), 1)
    with _child("die", tmp_path, where) as writer:
        assert writer.wait(PATIENCE_S) == -9
    assert any((tmp_path / "_staging").iterdir())
    manifest = Store(tmp_path).manifest(TESTS, **TACO)
    assert manifest is not None
    assert manifest.code_version == str(survivor)
    assert set(inputs(Store(tmp_path))) == {str(survivor)}
    store_child.write_version(Store(tmp_path, lock_timeout_s=5), 3)
    assert set(inputs(Store(tmp_path))) == {"3"}
    assert not any((tmp_path / "_staging").iterdir())


def test_a_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    """The error names the process; when that one is done, the second may write."""
    with _child("hold", tmp_path) as writer:
        pid = int(_line(writer))
        with pytest.raises(StoreError, match=rf"tests/taco is being written by process {pid}; waited 0\.1 s"):
            write(Store(tmp_path, lock_timeout_s=0.1), test_rows(["second"]))
        assert Store(tmp_path).manifest(TESTS, **TACO) is None
        writer.stdin.write("\n")  # type: ignore[union-attr]
        writer.stdin.flush()  # type: ignore[union-attr]
        assert _line(writer) == "done"
    assert set(inputs(Store(tmp_path))) == {"7"}
    write(Store(tmp_path, lock_timeout_s=5), test_rows(["second"]))
    assert inputs(Store(tmp_path)) == ["second"]


def test_other_partitions_are_not_locked(tmp_path: Path) -> None:
    """A writer keeps out writers of its own partition only."""
    with _child("hold", tmp_path) as writer:
        _line(writer)
        write(Store(tmp_path, lock_timeout_s=0), test_rows(["x"]), partition={"dataset": "apps"})
    assert Store(tmp_path).partitions(TESTS) == [{"dataset": "apps"}]


def test_two_writers_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    """Threads and nested blocks are no way around the lock."""
    store = Store(tmp_path, lock_timeout_s=0.1)
    with store.writer(TESTS, TACO, config={}, code_version="1") as writer:
        writer.write(test_rows(["first"]))
        with pytest.raises(StoreError, match=f"written by process {os.getpid()}"):
            write(store, test_rows(["second"]))
    assert inputs(store) == ["first"]


def test_an_orphan_cannot_overwrite_what_its_retry_wrote(tmp_path: Path) -> None:
    """A writer whose parent was killed still holds the lock: the retry waits for it, or is told its process."""
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-m', 'tests.store.child', 'hold', {str(tmp_path)!r}])"
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    orphan = int(_line(parent))
    os.kill(parent.pid, 9)
    parent.wait(PATIENCE_S)
    with pytest.raises(StoreError, match=f"written by process {orphan}"):
        write(Store(tmp_path, lock_timeout_s=0.1), test_rows(["retry"]))
    os.kill(orphan, 9)
    write(Store(tmp_path, lock_timeout_s=PATIENCE_S), test_rows(["retry"]))
    parent.stdin.close()  # type: ignore[union-attr]
    parent.stdout.close()  # type: ignore[union-attr]
    assert inputs(Store(tmp_path)) == ["retry"]
    assert not any((tmp_path / "_staging").iterdir())


def test_a_root_that_may_only_be_read_is_one_clear_line(tmp_path: Path) -> None:
    """Reading works; writing says what is wrong and what to do."""
    store_child.write_version(Store(tmp_path), 1)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.owner() == "root" and folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(0o755)
    for entry in [tmp_path, *tmp_path.rglob("*")]:
        entry.chmod(0o555 if entry.is_dir() else 0o444)
    with _child("readonly", tmp_path) as reader:
        assert int(_line(reader)) == store_child.ROWS
        said = _line(reader)
    for entry in [tmp_path, *tmp_path.rglob("*")]:
        entry.chmod(0o755)
    assert said.startswith(f"data root `{tmp_path}` is not writable: ")
    assert said.endswith("check its owner or set OCR_PIPELINE_DATA")


@contextmanager
def small_files() -> Iterator[None]:
    """Let no file grow above 100 kB, as a full disk would; not even the log that the tests may be written to."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _incompressible(rows: int) -> pa.Table:
    noise = random.Random(rows)  # noqa: S311 - no secrets
    return test_rows([noise.randbytes(1_000).hex() for _ in range(rows)])


@pytest.mark.parametrize("rows", [300, 9_000], ids=["at the end", "in the middle"])
def test_a_full_disk_is_one_clear_line(tmp_path: Path, rows: int) -> None:
    """The partition that cannot be written is named, the old one stays, nothing is left behind."""
    store = Store(tmp_path)
    write(store, test_rows(["old"]))
    full = r"dataset=taco/part-00000.parquet` cannot be written: .*free some space"
    with pytest.raises(StoreError, match=full), small_files():
        write(store, _incompressible(rows))
    assert inputs(store) == ["old"]
    assert not any((tmp_path / "_staging").iterdir())


def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    """The same for the single file of a command."""
    target = tmp_path / "tests.parquet"
    full = r"tests.parquet` cannot be written"
    with pytest.raises(StoreError, match=full), small_files(), FileWriter(target, TESTS) as writer:
        writer.write(_incompressible(300))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    """An output folder whose name is taken by a file."""
    (tmp_path / "out").write_text("mine")
    with (
        pytest.raises(StoreError, match=r"tests.parquet` cannot be written"),
        FileWriter(tmp_path / "out" / "tests.parquet", TESTS),
    ):
        pass
    with pytest.raises(StoreError, match="is not writable"):
        write(Store(tmp_path / "out"), test_rows(["a"]))


def test_a_reader_during_replacements_sees_whole_versions(tmp_path: Path) -> None:
    """Opening and reading while another process replaces the partition always gives one version, the newest first."""
    with _child("versions", tmp_path, 1) as writer:
        _line(writer)
        seen: list[int] = []
        until = time.monotonic() + PATIENCE_S
        while len(set(seen)) < 5 and time.monotonic() < until:
            (version,) = set(inputs(Store(tmp_path)))  # a mixture of versions does not unpack
            seen.append(int(version))
    assert len(set(seen)) == 5
    assert seen == sorted(seen)


def test_a_scan_stays_with_the_version_it_opened(tmp_path: Path) -> None:
    """Who opened a partition goes on reading it, also twice, after it was replaced."""
    store_child.write_version(Store(tmp_path), 1)
    opened = Store(tmp_path).open(TESTS, **TACO)
    store_child.write_version(Store(tmp_path), 2)
    for _ in range(2):
        assert set(opened.to_table().column("input").to_pylist()) == {"1"}
    assert set(inputs(Store(tmp_path))) == {"2"}


def test_a_missing_part_file_is_one_clear_line(tmp_path: Path) -> None:
    """Somebody deleted a file by hand: the partition is named, with what to do."""
    store_child.write_version(Store(tmp_path), 1)
    (tmp_path / "tests" / "dataset=taco" / "part-00000.parquet").unlink()
    with pytest.raises(StoreError, match=r"tests/dataset=taco` is damaged: .*remove it and build it again"):
        Store(tmp_path).open(TESTS, **TACO)


def test_a_folder_that_was_replaced_behind_the_locks_is_not_overwritten(tmp_path: Path) -> None:
    """A machine that does not see this one's locks was faster: its rows stay."""
    store_child.write_version(Store(tmp_path), 1)
    other = Store(tmp_path)
    other._lock_folder = lambda: tmp_path / "other"  # type: ignore[method-assign]
    staged = tmp_path / "_staging"

    def overtaken() -> None:
        with Store(tmp_path).writer(TESTS, TACO, config={}, code_version="3") as writer:
            writer.write(test_rows(["3"]))
            staged.rename(tmp_path / "kept")
            store_child.write_version(other, 2)
            staged.rmdir()
            (tmp_path / "kept").rename(staged)

    with pytest.raises(OvertakenError, match="another machine does not see this one's locks"):
        overtaken()
    assert set(inputs(Store(tmp_path))) == {"2"}
