"""Sends a publication to a Hugging Face hub: one commit with its files and no others, then a tag that never moves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from ocr_pipeline.errors import InputError, OptionError, PublishError
from ocr_pipeline.publishing.options import PublishOptions
from ocr_pipeline.publishing.publication import SUMS, Publication

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["push"]

DATASET: Final = "dataset"
MAIN: Final = "main"
OF_THE_HUB: Final = ".gitattributes"
"""The file that the hub makes itself."""


def push(publication: Publication, repo: str, options: PublishOptions) -> str:
    """Publish, unless the same rows are there under that name already; return the commit.

    Raises
    ------
    OptionError
        When the environment holds no token, or a text that cannot be one.
    InputError
        When the tag is there with other files.
    PublishError
        When the hub refuses, or cannot be reached; the same command again goes on.
    """
    token = os.environ.get(options.token_env, "").strip()
    if not token:
        message = f"{options.token_env} is not set; put a token that may write to `{repo}` there, or name another variable with --token-env"
        raise OptionError(message)
    if not (token.isascii() and token.isprintable() and " " not in token):  # the client would show it in its error
        message = f"{options.token_env} holds no token: one is printable ASCII without spaces"
        raise OptionError(message)
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi(endpoint=options.endpoint, token=token)
    with _one_line(repo, token):
        api.create_repo(repo, repo_type=DATASET, private=options.private, exist_ok=True)
        refs = api.list_repo_refs(repo, repo_type=DATASET)
        known = next((tag.target_commit for tag in refs.tags if tag.name == publication.revision), None)
        if known is not None:
            _require_equal(api, publication, repo)
            return known
        files = publication.files
        earlier = set(api.list_repo_files(repo, repo_type=DATASET)) - files.keys() - {OF_THE_HUB}
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(name, content) for name, content in files.items()),
            *(CommitOperationDelete(name, is_folder=False) for name in sorted(earlier)),
        ]
        title = f"Release {publication.revision}"
        # Whoever published in between has other files there than those that were listed: the hub refuses then.
        head = next((branch.target_commit for branch in refs.branches if branch.name == MAIN), None)
        commit = api.create_commit(repo, operations, commit_message=title, repo_type=DATASET, parent_commit=head)
        api.create_tag(repo, tag=publication.revision, revision=commit.oid, repo_type=DATASET)
    return str(commit.oid)


def _require_equal(api: HfApi, publication: Publication, repo: str) -> None:
    with TemporaryDirectory() as folder:
        path = api.hf_hub_download(repo, SUMS, repo_type=DATASET, revision=publication.revision, local_dir=folder)
        if Path(path).read_bytes() == publication.made[SUMS]:
            return
    message = f"`{repo}` has a release `{publication.revision}` with other files, and a release never changes; choose another name"
    raise InputError(message)


@contextmanager
def _one_line(repo: str, token: str) -> Iterator[None]:
    """Tell what the hub, or the way to it, said in one line, without the token."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.errors import HTTPError as TransportError  # type: ignore[attr-defined] # of whichever client

    try:
        yield
    except HFValidationError as error:
        message = f"repo must be OWNER/NAME as the hub takes it, got `{repo}`: {error}"
        raise OptionError(_plain(message, token)) from None
    except (HfHubHTTPError, TransportError, OSError, RuntimeError, ValueError) as error:
        said = str(getattr(error, "server_message", None) or error).rstrip(".")
        message = f"`{repo}` could not be published: {said}; run the same command again when this is repaired"
        raise PublishError(_plain(message, token)) from None


def _plain(text: str, token: str) -> str:
    return " ".join(text.split()).replace(token, "(token)")
