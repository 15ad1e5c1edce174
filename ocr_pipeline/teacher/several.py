"""Several teachers in one run: which they are, and which of them is asked for which sample.

::

    samples   a number for each teacher: so many answers of it to every problem
    share     a part for each teacher: of all requests together, to the exact number, drawn by a seed

A teacher's samples of a problem are numbered from 0 whatever the others do, so its requests have the keys that they
have in a run of its own: what was paid there is not asked again.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from ocr_pipeline.errors import InputError, OptionError
from ocr_pipeline.mixing import largest_remainder
from ocr_pipeline.options import Options, option
from ocr_pipeline.teacher.options import GenerateConfig

__all__ = ["ByShare", "PerProblem", "Split", "TeacherEntry", "read_teachers"]

HASH_BYTES: Final = 8
SHARED: Final = frozenset({"language", "samples", "teachers", "seed", "enough_accepted", "most_samples"})
"""Options of the run that a teacher does not have of its own."""


class TeacherEntry(Options):
    """One of several teachers: where it is, what part it has, and what it is asked otherwise than the others."""

    model: str = option(..., "Name of the model as its server knows it")
    urls: tuple[str, ...] = option(
        (), "Base URL of its server, again for each equal one; none: the run's own", also="url"
    )
    api_key_env: str | None = option(None, "Environment variable that holds its key")
    samples: int | None = option(None, "Answers of it to every problem", ge=0)
    share: float | None = option(None, "Its part of all requests, beside those of the others", ge=0)
    changes: Mapping[str, Any] = option({}, "Options of the run that are otherwise for it")

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> TeacherEntry:
        """Read an entry: its own fields, and any option of the run that is otherwise for it.

        Raises
        ------
        OptionError
            When it has no model, neither samples nor share or both, or a field that nobody knows.
        """
        given = dict(entry)
        if isinstance(given.get("url"), str):
            given["url"] = (given["url"],)
        own = {"url", *cls.model_fields} - {"changes"}
        others = given.keys() - own
        unknown = sorted(name for name in others if name not in GenerateConfig.model_fields or name in SHARED)
        if unknown:
            message = f"a teacher has no option `{unknown[0]}`; it has model, url, api_key_env, samples or share, and options of the run"
            raise OptionError(message)
        read = cls(**{name: given[name] for name in own & given.keys()}, changes={name: given[name] for name in others})
        if (read.samples is None) == (read.share is None):
            message = f"teacher `{read.model}` must have either samples or a share"
            raise OptionError(message)
        return read

    def config(self, run: GenerateConfig) -> GenerateConfig:
        """Return what this teacher is asked: the run's options but for its own."""
        return run.replaced(**({"model": self.model, "revision": None, "accept_models": ()} | dict(self.changes)))


def read_teachers(path: Path) -> tuple[TeacherEntry, ...]:
    """Read a list of teachers from a JSON or YAML file.

    Raises
    ------
    InputError
        When the file cannot be read, or does not hold such a list.
    OptionError
        When an entry is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        listed = json.loads(text) if path.suffix == ".json" else _yaml(text)
    except (OSError, ValueError) as error:
        message = f"teachers `{path}` cannot be read: {error}; give a JSON or YAML file with a list of teachers"
        raise InputError(message) from error
    listed = listed.get("teachers") if isinstance(listed, dict) else listed
    if not isinstance(listed, list) or not listed or not all(isinstance(entry, dict) for entry in listed):
        message = f"teachers `{path}` must hold a list of teachers, each with model, url, and samples or share"
        raise InputError(message)
    entries = tuple(TeacherEntry.read(entry) for entry in listed)
    if len({entry.share is None for entry in entries}) > 1:
        message = f"teachers `{path}` must all have samples, or all have shares"
        raise OptionError(message)
    if not sum(entry.samples or entry.share or 0 for entry in entries):
        message = f"teachers `{path}` must not all have 0 samples or shares"
        raise OptionError(message)
    names = [entry.model for entry in entries]
    if repeated := {name for name in names if names.count(name) > 1}:
        message = f"teachers `{path}` names `{min(repeated)}` twice; give its servers as several urls of one teacher"
        raise OptionError(message)
    return entries


def _yaml(text: str) -> Any:  # noqa: ANN401 - any YAML value
    import yaml  # type: ignore[import-untyped]

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


class Split(Protocol):
    """Says how many samples of a problem each teacher gives."""

    def counts(self, problem_id: str, samples: int) -> Sequence[int]:
        """Return the numbers by teacher; together they are ``samples``."""


@dataclass(frozen=True, slots=True)
class PerProblem:
    """The same for every problem, in the proportion of the weights; more samples never take one away from a teacher."""

    weights: tuple[int, ...]

    def counts(self, problem_id: str, samples: int) -> Sequence[int]:
        """Hand out one sample after another to whom most is due (Sainte-Laguë): exact where it can be."""
        del problem_id
        counts = [0] * len(self.weights)
        for _ in range(samples):
            due = [weight / (2 * count + 1) for weight, count in zip(self.weights, counts, strict=True)]
            counts[due.index(max(due))] += 1
        return counts


@dataclass(frozen=True, slots=True)
class ByShare:
    """To each teacher its exact part of all requests; a seeded hash of problem and number says which."""

    seed: int
    borders: tuple[int, ...]
    """Hashes at which the part of the next teacher begins."""

    @classmethod
    def of(cls, shares: Sequence[float], seed: int, wanted: Callable[[], Iterable[tuple[str, int]]]) -> ByShare:
        """Find the borders for problems with their numbers of samples; 8 bytes a request, while this runs."""
        hashes: npt.NDArray[np.uint64] = np.fromiter(_all_hashes(seed, wanted()), np.uint64)
        hashes.sort()
        ends = np.cumsum(largest_remainder(len(hashes), [Fraction(share) for share in shares]))[:-1]
        most = 1 << 8 * HASH_BYTES
        return cls(seed, tuple(int(hashes[end]) if end < len(hashes) else most for end in ends))

    def counts(self, problem_id: str, samples: int) -> Sequence[int]:
        """Return the numbers that the hashes of the problem's samples say."""
        counts = [0] * (len(self.borders) + 1)
        for number in range(samples):
            counts[bisect_right(self.borders, _hash(self.seed, problem_id, number))] += 1
        return counts


def _all_hashes(seed: int, wanted: Iterable[tuple[str, int]]) -> Iterator[int]:
    return (_hash(seed, problem_id, number) for problem_id, samples in wanted for number in range(samples))


def _hash(seed: int, problem_id: str, number: int) -> int:
    text = f"{seed}:{problem_id}:{number}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=HASH_BYTES).digest(), "big")
