"""The command ``publish``: a release goes to a hub, and a dry run says exactly what would go."""

from __future__ import annotations

import json
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.parameters import with_options
from ocr_pipeline.publishing.hub import push as push_to_hub
from ocr_pipeline.publishing.options import PublishOptions
from ocr_pipeline.publishing.publication import Publication, read_release

__all__ = ["publish"]

REPO: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


class Target(StrEnum):
    """Where a release can go."""

    HUB = "hub"


@with_options
def publish(
    name: Annotated[str, typer.Argument(help="Name of a release, or its folder.")],
    *,
    to: Annotated[Target, typer.Option(help="Where it goes: a Hugging Face hub.")],
    repo: Annotated[str, typer.Option(metavar="OWNER/NAME", help="Data set repository of the hub.")],
    push: Annotated[
        bool, typer.Option("--push/--dry-run", help="Send it; by default only what would be sent is said.")
    ] = False,
    data: Annotated[
        str, typer.Option(envvar="OCR_PIPELINE_DATA", help="The data root, whose releases are meant.")
    ] = "data",
    releases: Annotated[
        Path | None, typer.Option(help="Folder of all releases; the default is releases in the data root.")
    ] = None,
    options: PublishOptions,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send a release to a hub in one commit, under a tag that never moves; a dry run unless --push is given."""
    if not REPO.fullmatch(repo):
        message = f"repo must be OWNER/NAME, got `{repo}`"
        raise OptionError(message)
    publication = read_release(_folder(name, data, releases), options.redistributable)
    commit = push_to_hub(publication, repo, options) if push else None
    if as_json:
        sys.stdout.write(json.dumps(_plain(publication, repo, commit), sort_keys=True) + "\n")
        return
    kind = "private" if options.private else "public"
    sys.stdout.write(f"{to}: data set `{repo}` ({kind} if it is made for this), ")
    sys.stdout.write("".join(f"{line}\n" for line in _lines(publication, repo, commit)))


def _folder(name: str, data: str, releases: Path | None) -> Path:
    if releases is None and "://" in data:
        message = f"`{data}` is not on this machine; copy the release here and name its folder"
        raise InputError(message)
    named = (releases or Path(data) / "releases") / name
    return named if named.is_dir() else Path(name)


def _lines(publication: Publication, repo: str, commit: str | None) -> list[str]:
    language = min(publication.rows, default="python")
    return [
        f"tag `{publication.revision}`, {len(publication.files)} files:",
        *publication.lines(),
        f'read with: datasets.load_dataset("{repo}", "{language}", revision="{publication.revision}")',
        f"published as commit {commit}" if commit else "dry run: nothing was sent; --push sends it",
    ]


def _plain(publication: Publication, repo: str, commit: str | None) -> dict[str, object]:
    return {
        "repo": repo,
        "tag": publication.revision,
        "commit": commit,
        "files": {
            name: len(content) if isinstance(content, bytes) else content.stat().st_size
            for name, content in publication.files.items()
        },
        "rows": dict(sorted(publication.rows.items())),
        "licences": dict(sorted(publication.licences.items())),
        "withheld": publication.withheld,
    }
