"""Recorded answers, and which of them a request gets; no network here.

A recording is one JSON object a line: ``match`` texts that all have to be in the prompt, or ``prompt_sha256``;
``sample_index``; and the parts of the reply. The longest match wins, and the seed picks among its samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import orjson

from ocr_pipeline.errors import InputError

__all__ = ["Recording", "Recordings", "load_recordings"]


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded answer."""

    match: tuple[str, ...]
    prompt_sha256: str | None
    sample_index: int
    message: dict[str, Any]
    finish_reason: str | None
    stop_reason: str | None
    usage: dict[str, int]
    created: int
    processing_ms: float

    @property
    def weight(self) -> int:
        """Characters that have to match."""
        return sum(map(len, self.match))

    def matches(self, prompt: str) -> bool:
        """Whether all its texts are in the prompt."""
        return bool(self.match) and all(text in prompt for text in self.match)


class Recordings:
    """All recordings, by what they match."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self._all = sorted(recordings, key=lambda each: (each.match, each.prompt_sha256 or "", each.sample_index))
        self._by_hash: dict[str, list[Recording]] = {}
        self._by_match: dict[tuple[str, ...], list[Recording]] = {}
        for each in self._all:
            if each.prompt_sha256:
                self._by_hash.setdefault(each.prompt_sha256, []).append(each)
            if each.match:
                self._by_match.setdefault(each.match, []).append(each)
        self._longest_first = sorted(self._by_match.values(), key=lambda group: (-group[0].weight, group[0].match))

    def matching(self, prompt: str, seed: int) -> Recording | None:
        """Return the recording for a prompt and a seed, or ``None`` when nothing matches."""
        exact = self._by_hash.get(hashlib.sha256(prompt.encode()).hexdigest())
        group = exact or next((group for group in self._longest_first if group[0].matches(prompt)), None)
        return _sample(group, seed) if group else None

    def any_for(self, prompt: str, seed: int) -> Recording:
        """Return some recording, always the same one for a prompt and a seed; of the prompt's language if possible."""
        near = [each for each in self._all if any(text in prompt for text in each.match)] or self._all
        return near[number_from(prompt, seed) % len(near)]


def _sample(group: list[Recording], seed: int) -> Recording:
    wanted = seed % len(group)
    return next((each for each in group if each.sample_index == wanted), group[wanted])


def number_from(*parts: object) -> int:
    """Return a number that depends on nothing but the parts."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def load_recordings(path: Path | None = None) -> Recordings:
    """Read recordings; without a path, the bundled ones.

    Raises
    ------
    InputError
        When the file does not exist, a line is not a recording, or there are none.
    """
    bundled = resources.files("ocr_pipeline").joinpath("sample", "recordings.jsonl")
    name = str(path or bundled)
    try:
        data = path.read_bytes() if path else bundled.read_bytes()
    except OSError as error:
        message = f"recordings `{name}` cannot be read: {error.strerror}; give a JSONL file with --recordings"
        raise InputError(message) from error
    recordings = [
        _recording(line, f"{name} line {number}") for number, line in enumerate(data.splitlines(), 1) if line.strip()
    ]
    if not recordings:
        message = f"`{name}` holds no recordings; give one JSON object a line with match, sample_index and message"
        raise InputError(message)
    return Recordings(recordings)


def _recording(line: bytes, place: str) -> Recording:
    try:
        raw = orjson.loads(line)
        return Recording(
            match=tuple(raw.get("match", ())),
            prompt_sha256=raw.get("prompt_sha256"),
            sample_index=int(raw["sample_index"]),
            message=dict(raw["message"]),
            finish_reason=raw.get("finish_reason", "stop"),
            stop_reason=raw.get("stop_reason"),
            usage=dict(raw.get("usage") or {}),
            created=int(raw.get("created", 1)),
            processing_ms=float(raw.get("processing_ms", 0)),
        )
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"{place} is not a recording ({error!r}); it needs match or prompt_sha256, sample_index and message"
        raise InputError(message) from error
