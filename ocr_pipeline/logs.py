"""What the pipeline says while it works: lines for people, or one JSON object per event where ``OCR_PIPELINE_LOG`` is ``json``.

Both go to standard error. Events are ``built``, ``reused``, ``done``, ``progress``, ``note`` and ``failed``; each has time, level, step, partition and its
fields. What Dagster and libraries log is theirs; so is what a command prints as its result.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from ocr_pipeline.errors import OptionError

__all__ = ["about", "check", "event", "is_asked", "say"]

VARIABLE: Final = "OCR_PIPELINE_LOG"
JSON: Final = "json"
FORMS: Final = frozenset({JSON, "text", ""})
_about: ContextVar[tuple[str | None, str | None]] = ContextVar("about", default=(None, None))


def check() -> None:
    """Look at the variable before work begins.

    Raises
    ------
    OptionError
        When it names another form.
    """
    form = os.environ.get(VARIABLE, "")
    if form not in FORMS:
        message = f"{VARIABLE} must be `json` or `text`, got `{form}`"
        raise OptionError(message)


def is_asked() -> bool:
    """Whether events are written."""
    return os.environ.get(VARIABLE) == JSON


@contextmanager
def about(step: str, partition: str | None = None) -> Iterator[None]:
    """Say of every event meanwhile which step and partition it belongs to."""
    before = _about.set((step, partition))
    try:
        yield
    finally:
        _about.reset(before)


def say(text: str, name: str = "note", *, level: str = "info") -> None:
    """Write a line for people, or its event."""
    if not event(name, {"message": text}, level=level):
        sys.stderr.write(f"{text}\n")


def event(name: str, fields: Mapping[str, object], *, level: str = "info") -> bool:
    """Write an event where they are asked for, and return whether they are."""
    if not is_asked():
        return False
    step, partition = _about.get()
    told = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "step": step,
        "partition": partition,
        "event": name,
        "fields": dict(fields),
    }
    try:
        line = json.dumps(told, allow_nan=False, default=str)
    except ValueError:  # of a number that JSON has not
        told["fields"] = {key: value if isinstance(value, int | str) else str(value) for key, value in fields.items()}
        line = json.dumps(told, default=str)
    sys.stderr.write(f"{line}\n")
    return True
