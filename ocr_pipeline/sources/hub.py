"""Fetching a data set from the hub: one pinned revision, only the files that are read, no code of theirs.

Nothing here runs a loading script: the Parquet and JSONL files are downloaded as they are.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Final

from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.sources.catalogue import Source
from ocr_pipeline.sources.folders import file_text

__all__ = ["fetch", "local_path"]

REVISION_FILE: Final = ".revision"  # hidden, so that it is not a raw file

ADDRESS: Final = re.compile(r"hf://(?:datasets/)?(?P<hub_id>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?/?")


def local_path(source: Source, given: str) -> Path:
    """Return a path as it is, and the folder of a downloaded revision for ``hf://datasets/<id>@<revision>``.

    Raises
    ------
    InputError
        When the address names no revision, or the hub does not answer.
    """
    if not given.startswith("hf:"):
        return Path(given)
    match = ADDRESS.fullmatch(given)
    if match is None:
        message = f"`{given}` is not the address of a data set; write hf://datasets/<owner>/<name>@<revision>"
        raise OptionError(message)
    revision = _pinned(source, match["hub_id"], match["revision"])
    return _download(source, match["hub_id"], revision, None)


def fetch(source: Source, revision: str | None, folder: Path) -> list[Path]:
    """Download the raw files of a data set and return the folder to ingest.

    The files arrive in a hidden folder beside ``folder``, from which the next try goes on after a failure, and get
    their place in one step: what is there is whole.

    Parameters
    ----------
    source
        A data set that lives on the hub.
    revision
        Commit, tag or branch; the source's own pinned revision when ``None``.
    folder
        Where the files go; files of the same revision are not fetched again, those of another one are replaced.

    Raises
    ------
    InputError
        When the data set is not on the hub, no revision is named, or the hub does not answer.
    """
    if source.hub_id is None:
        message = f"{source.name} is not on the hub; give its files by path"
        raise InputError(message)
    wanted = _pinned(source, source.hub_id, revision)
    target = folder / source.name
    if target.is_dir() and file_text(target / REVISION_FILE) == wanted:
        return [target]
    staging = folder.with_name(f".{folder.name}.{wanted.replace('/', '-')}.downloading")
    _download(source, source.hub_id, wanted, staging)
    (staging / REVISION_FILE).write_text(wanted, encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        shutil.rmtree(target)
    staging.rename(target)
    return [target]


def _pinned(source: Source, hub_id: str, revision: str | None) -> str:
    pinned = revision or (source.hub_revision if hub_id == source.hub_id else None)
    if pinned is None:
        message = (
            f"no revision of {hub_id} is pinned, so a rebuild could read other rows; "
            f"`git ls-remote https://huggingface.co/datasets/{hub_id} HEAD` prints the commit: "
            f"write hf://datasets/{hub_id}@COMMIT, or name it in `revisions` of the resource `raw_files`"
        )
        raise InputError(message)
    return pinned


def _download(source: Source, hub_id: str, revision: str, folder: Path | None) -> Path:
    """Download into a folder, or into the hub library's own cache, which knows what is whole."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    patterns = list(source.hub_patterns)
    failures: tuple[type[Exception], ...] = (HfHubHTTPError, LocalEntryNotFoundError, OSError, *_transport_errors())
    try:
        found = snapshot_download(
            repo_id=hub_id, repo_type="dataset", revision=revision, local_dir=folder, allow_patterns=patterns
        )
    except failures as error:
        reason = str(error).split("\n", 1)[0]
        message = f"{hub_id} at `{revision}` cannot be fetched: {reason}; check the revision, the network and HF_TOKEN"
        raise InputError(message) from error
    return folder or Path(found)


def _transport_errors() -> tuple[type[Exception], ...]:
    """Return what a connection that dies raises: the hub's library lets the errors of its transport through."""
    loaded = (sys.modules.get(name) for name in ("httpx", "httpx2"))
    return tuple(module.HTTPError for module in loaded if module is not None)
