"""A release goes to a hub as it is, once, under a tag that never moves; a dry run says what would go and sends nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.evidence.release import release
from ocr_pipeline.publishing.publication import Publication
from ocr_pipeline.store import Store
from ocr_pipeline.tables import SFT_DATASET
from tests.evidence.root import build_root, rows_of
from tests.publishing.hub_server import TOKEN, Hub

REPO = "me/problems"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """Return a release of a small data root."""
    store = build_root(tmp_path / "data")
    return Path(release(store, SFT_DATASET, "2026-11"))


@pytest.fixture(name="hub")
def _hub() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


def publish(
    folder: Path, *options: str, hub: Hub | None = None, token: str = TOKEN
) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, with nothing but a token in the environment."""
    given = [sys.executable, "-m", "ocr_pipeline.cli", "publish", str(folder), "--to", "hub", "--repo", REPO, *options]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "HF_HOME": str(folder.parent / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_TOKEN": token,
    }
    environment |= {"HF_ENDPOINT": hub.url} if hub else {"HF_ENDPOINT": "http://127.0.0.1:9"}
    return subprocess.run(given, env=environment, capture_output=True, text=True, check=False)


def pushed(folder: Path, hub: Hub) -> dict[str, Any]:
    """Publish and return what the command says."""
    done = publish(folder, "--push", "--json", hub=hub)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_a_dry_run_says_everything_and_sends_nothing(folder: Path) -> None:
    """Repository, tag, files with their sizes, licences and what is withheld; nobody is asked for anything."""
    done = publish(folder)
    assert done.returncode == 0, done.stderr
    for said in (REPO, "2026-11", "README.md", "LICENSES.tsv", "SHA256SUMS", "data/taco-python.parquet", "bytes"):
        assert said in done.stdout
    assert "licences: " in done.stdout
    assert "withheld: " in done.stdout
    assert "dry run: nothing was sent" in done.stdout


def test_one_commit_holds_every_file_and_has_the_tag(folder: Path, hub: Hub) -> None:
    """What the hub has is the release, with a card that names the licences."""
    said = pushed(folder, hub)
    assert hub.tags == {"2026-11": said["commit"]}
    assert hub.repos == {REPO: True}
    files = hub.commits[said["commit"]]
    assert set(files) == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {name: len(content) for name, content in files.items()} == said["files"]
    data = [name for name in files if name.endswith(".parquet")]
    assert data
    assert all(files[name] == (folder / name).read_bytes() for name in data)
    assert files["README.md"].startswith(b"---\nlicense:\n- ")


def test_what_was_published_loads_with_plain_defaults(folder: Path, hub: Hub, tmp_path: Path) -> None:
    """The files of the commit are a data set with a configuration per language."""
    datasets = pytest.importorskip("datasets")
    copy = tmp_path / "copy"
    for name, content in hub.commits[pushed(folder, hub)["commit"]].items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(content)
    loaded = datasets.load_dataset(str(copy), "python", cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train"}
    assert loaded["train"].num_rows == Store(tmp_path / "data").open(SFT_DATASET).count_rows()


def test_a_later_release_keeps_no_file_of_an_earlier_one(folder: Path, hub: Hub) -> None:
    """A language that is gone is gone under the new tag, and stays under the old one."""
    hub.head = "0" * 40
    hub.commits[hub.head] = {".gitattributes": b"*.parquet filter=lfs\n"}
    first = pushed(folder, hub)["commit"]
    gone = sealed(folder, **{"data/taco-cpp.parquet": (folder / "data/taco-python.parquet").read_bytes()})
    middle = pushed(gone.rename(gone.parent / "2026-12"), hub)["commit"]
    later = folder.parent / "2027-01"
    shutil.copytree(gone.parent / "2026-12", later)
    (later / "data/taco-cpp.parquet").unlink()
    last = pushed(sealed(later), hub)["commit"]
    assert "data/taco-cpp.parquet" in hub.commits[middle]
    assert hub.commits[last].keys() == hub.commits[first].keys()
    assert ".gitattributes" in hub.commits[last]


def test_two_who_publish_at_once_do_not_mix(folder: Path, hub: Hub) -> None:
    """The second is told, and what it made of the files that it saw is not there; the same command again goes on."""
    hub.listed = pushed(folder, hub)["commit"]
    other = folder.rename(folder.parent / "2026-12")
    theirs = pushed(sealed(other, **{"data/taco-cpp.parquet": (other / "data/taco-python.parquet").read_bytes()}), hub)
    late = publish(sealed(other.rename(other.parent / "2027-01")), "--push", hub=hub)
    assert (late.returncode, late.stderr.count("\n")) == (1, 1), late.stderr
    assert "A commit has happened since" in late.stderr
    assert hub.head == theirs["commit"]
    assert "2027-01" not in hub.tags
    hub.listed = None
    assert pushed(other.parent / "2027-01", hub)["commit"] == hub.head


def test_publishing_again_changes_nothing(folder: Path, hub: Hub) -> None:
    """The same rows under the same name are the same commit."""
    first = pushed(folder, hub)
    assert pushed(folder, hub)["commit"] == first["commit"]
    assert len(hub.commits) == 1


def test_a_tag_never_moves(folder: Path, hub: Hub) -> None:
    """Other rows under a name that the hub knows are refused in one line."""
    pushed(folder, hub)
    commit = hub.tags["2026-11"]
    hub.commits[commit] = hub.commits[commit] | {"SHA256SUMS": b"of other files\n"}
    done = publish(folder, "--push", hub=hub)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "a release never changes" in done.stderr
    assert len(hub.commits) == 1


@pytest.mark.parametrize(
    ("token", "code", "said"), [("", 2, "HF_TOKEN is not set"), ("hf_wrong_one", 1, "could not be published")]
)
def test_a_token_that_does_not_open_is_one_line(folder: Path, hub: Hub, token: str, code: int, said: str) -> None:
    """It is taken from the environment alone and never shown."""
    done = publish(folder, "--push", hub=hub, token=token)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert said in done.stderr
    assert not token or token not in done.stderr
    assert not hub.commits


@pytest.mark.parametrize("token", ["hf_a\nb", "hf_a b", "hf_ä", "hf_a\x1bb"])
def test_what_cannot_be_a_token_is_refused_unseen(folder: Path, hub: Hub, token: str) -> None:
    """A client would show it in its error."""
    done = publish(folder, "--push", hub=hub, token=token)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "HF_TOKEN holds no token" in done.stderr
    assert "hf_a" not in done.stderr
    assert "ä" not in done.stderr


def test_a_hub_that_refuses_or_is_away_is_one_line(folder: Path, hub: Hub) -> None:
    """What it said is told; the same command again goes on."""
    hub.refuses = "You are over your quota."
    refused = publish(folder, "--push", hub=hub)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
    assert "over your quota" in refused.stderr
    hub.refuses = ""
    assert pushed(folder, hub)["commit"] in hub.commits
    away = publish(folder, "--push")
    assert (away.returncode, away.stderr.count("\n")) == (1, 1), away.stderr


def test_statements_that_may_not_be_handed_on_are_refused(tmp_path: Path) -> None:
    """A selection with full texts stays in the house, unless a person says whose texts may go."""
    store = Store(tmp_path / "data")
    keys = {"dataset": "taco", "language": "python"}
    row = {"input": "Print the sum.", "problem_id": "taco/train/1", "sample_id": "s", "dataset": "taco", **keys}
    with store.writer(SFT_DATASET, keys, config={}, code_version="1") as writer:
        writer.write(rows_of(SFT_DATASET, [row]))
        writer.counts = StageCounts(1, 1)
    folder = Path(release(store, SFT_DATASET, "full"))
    done = publish(folder)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "taco in 1 rows" in done.stderr
    assert publish(folder, "--redistributable", "taco").returncode == 0


def test_a_release_that_was_changed_is_refused(folder: Path) -> None:
    """Every file is compared with its checksum before anything goes."""
    path = folder / "LICENSES.tsv"
    path.chmod(0o644)
    path.write_text("other\n")
    done = publish(folder)
    assert done.returncode == 1
    assert "LICENSES.tsv" in done.stderr


def sealed(folder: Path, **files: bytes) -> Path:
    """Change files of a release, and write its checksums anew."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n" for path in found]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


def parquet(**columns: object) -> bytes:
    """Return a file of data."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


TEXTS: Final[dict[str, object]] = {name: ["-"] for name in ("input", "license", "dataset", "problem_id", "language")}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data/taco-python.parquet", b"not Parquet"),
        ("data/taco-python.parquet", parquet(**TEXTS)[:-20]),
        ("data/taco-python.parquet", parquet(**TEXTS | {"language": pa.array([None], pa.string())})),
        ("data/taco-python.parquet", parquet(**TEXTS | {"license": [5]})),
        ("data/taco-python.parquet", parquet(input=["-"])),
        ("README.md", b"\xff\xfe"),
    ],
)
def test_a_damaged_file_whose_checksum_fits_is_named(folder: Path, name: str, content: bytes) -> None:
    """No Parquet, no text, a column or a language that is not there."""
    done = publish(sealed(folder, **{name: content}))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert name in done.stderr


@pytest.mark.parametrize(("sums", "named"), [(b"", "README.md"), (b"\xff\xfe\x00", "SHA256SUMS")])
def test_checksums_that_say_nothing_are_one_line(tmp_path: Path, sums: bytes, named: str) -> None:
    """An empty list of an empty folder, and one that is not text."""
    (tmp_path / "SHA256SUMS").write_bytes(sums)
    done = publish(tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert named in done.stderr


def test_licences_of_one_combination_are_told_together(tmp_path: Path) -> None:
    """A comma is between combinations alone."""
    publication = Publication(tmp_path, "x", Counter(), Counter({"mit, odc-by": 2, "mit": 1}), 0, {})
    assert "licences: mit (1 rows), mit + odc-by (2 rows)" in publication.lines()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--repo", "no-owner"], 2, "OWNER/NAME"),
        (["--repo", "me/../x"], 2, "OWNER/NAME"),
        (["--to", "moon"], 2, "moon"),
    ],
)
def test_wrong_words_are_wrong_usage(folder: Path, words: list[str], code: int, said: str) -> None:
    """A repository without an owner, or a place that nobody knows."""
    done = publish(folder, *words)
    assert done.returncode == code
    assert said in done.stderr


def test_what_is_not_a_release_is_one_line(tmp_path: Path) -> None:
    """The message says how one is made."""
    done = publish(tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "ocr-pipeline release NAME" in done.stderr
