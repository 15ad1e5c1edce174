"""What the teacher is asked, and the key under which the answer is kept for ever.

The key is the SHA-256 of everything that decides an answer: the model and the revision that is served, the messages,
every sampling field, the seed. Nothing else joins it: not the order of the problems, not their ids, not the server's
address. How a request is sent and what comes back is not this module's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import orjson

from ocr_pipeline.store import canonical_json, sha256_of

__all__ = ["Identity", "Message", "Request", "request_id"]

KEY_FORMAT: Final = "ocr_pipeline request 1"
Prehashed = Sequence[str]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True)
class Request:
    """One question to the teacher.

    Parameters
    ----------
    messages
        The conversation so far.
    params
        Every field of the request's body beside model and messages: temperature, top_p, max_tokens, seed, …
    key
        More that joins the hash, for steps whose answers depend on something that is not sent.
    subject
        Who the answer is for (``problem_id``, …): kept beside it for people, never part of the hash.
    """

    messages: tuple[Message, ...]
    params: Mapping[str, Any]
    key: Mapping[str, str | int] = field(default_factory=dict)
    subject: Mapping[str, str | int] = field(default_factory=dict)

    @cached_property
    def prompt_sha256(self) -> str:
        """Hash of the rendered prompt: of all message contents, joined."""
        return sha256_of("".join(message.content for message in self.messages))

    @cached_property
    def params_json(self) -> str:
        """Canonical JSON of the parameters; whole floats are integers, so a temperature of 1 and of 1.0 is one question."""
        return canonical_json(_plain(self.params))


@dataclass(frozen=True, slots=True)
class Identity:
    """Which model answers: the name it is asked by, and the revision that is served where one is known."""

    model: str
    revision: str | None = None

    def __str__(self) -> str:
        """Return ``model`` or ``model@revision``, as the ``responses`` table shows it."""
        return f"{self.model}@{self.revision}" if self.revision else self.model


def request_id(request: Request, identity: Identity, *, prompt: Prehashed | None = None) -> str:
    """Return the key of a request.

    Parameters
    ----------
    request
        What is asked.
    identity
        Who is asked.
    prompt
        Hashes of the messages, when the caller has them already (several samples of one prompt).
    """
    hashes = prompt or [sha256_of(message.content) for message in request.messages]
    parts = [
        KEY_FORMAT,
        identity.model,
        identity.revision,
        [[message.role, digest] for message, digest in zip(request.messages, hashes, strict=True)],
        request.params_json,
        dict(request.key),
    ]
    # Texts and whole numbers only, for which this is canonical JSON too, at a fifteenth of the time.
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Write whole floats as integers."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, str | int | None):  # before the slow question whether it is a mapping
        return value
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
