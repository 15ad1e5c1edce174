"""Misbehaviour on request: which request suffers what, decided by a seed and never by the order of arrival.

``429:0.05,500:0.02,reset:0.01,delay:lognormal(0.2,1.0)``: a name and its share of the requests, and at most one delay.

======================  ================================================================================
429                     too many requests, with ``Retry-After: 1``
500, 503                an error of the server
reset                   the connection breaks in the middle of the body
stall                   nothing ever comes
garbage                 a body that is not JSON
wrong_model             an answer of another model
truncate                the answer ends in the middle, ``finish_reason`` "length"
no_think                the tags are missing
loop                    the end of the answer repeats for ever, ``finish_reason`` "length"
delay:constant(s)       every answer takes s seconds; also uniform(low,high) and lognormal(median,sigma)
======================  ================================================================================

All above ``truncate`` change with every attempt, so a retry may succeed; the others belong to the answer and stay.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import NormalDist
from typing import Final, TypeVar

from ocr_pipeline.errors import OptionError
from ocr_pipeline.teacher.recordings import number_from

__all__ = ["AnswerFault", "Delay", "Faults", "TransportFault", "parse_faults"]

NAME_AND_SHARE: Final = re.compile(r"([a-z0-9_]+):([0-9.eE+-]+)")
DELAY: Final = re.compile(r"delay:(constant|uniform|lognormal)\(([0-9.eE+-]+)(?:,([0-9.eE+-]+))?\)")
HIGHEST_HASH: Final = 2**64
LONGEST_DELAY_S: Final = 86_400.0
FaultT = TypeVar("FaultT")


class TransportFault(StrEnum):
    """What happens instead of a reply."""

    TOO_MANY_REQUESTS = "429"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    RESET = "reset"
    STALL = "stall"
    GARBAGE = "garbage"
    WRONG_MODEL = "wrong_model"


class AnswerFault(StrEnum):
    """What happens to the text."""

    TRUNCATE = "truncate"
    NO_THINK = "no_think"
    LOOP = "loop"


@dataclass(frozen=True, slots=True)
class Delay:
    """How long answers take, in seconds."""

    kind: str = "constant"
    first: float = 0.0
    second: float = 0.0

    def seconds(self, share: float) -> float:
        """Return the quantile ``share`` of the distribution."""
        if self.kind == "uniform":
            return self.first + (self.second - self.first) * share
        if self.kind == "lognormal":
            inner = min(max(share, 1e-9), 1 - 1e-9)
            return min(self.first * math.exp(self.second * NormalDist().inv_cdf(inner)), LONGEST_DELAY_S)
        return self.first


NO_DELAY: Final = Delay()


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares by name, and a delay."""

    transport: Mapping[TransportFault, float] = field(default_factory=dict)
    answer: Mapping[AnswerFault, float] = field(default_factory=dict)
    delay: Delay = NO_DELAY
    seed: int = 0

    def of_attempt(self, prompt: str, seed: int, attempt: int) -> TransportFault | None:
        """Return what happens to this attempt of a request."""
        return _pick(self.transport, _share(self.seed, "attempt", prompt, seed, attempt))

    def of_answer(self, prompt: str, seed: int) -> AnswerFault | None:
        """Return what happens to the answer, whichever attempt gets it."""
        return _pick(self.answer, _share(self.seed, "answer", prompt, seed))

    def delay_s(self, prompt: str, seed: int, attempt: int) -> float:
        """Return how long this attempt takes."""
        return self.delay.seconds(_share(self.seed, "delay", prompt, seed, attempt)) if self.delay.first else 0.0


def _share(*parts: object) -> float:
    return number_from(*parts) / HIGHEST_HASH


def _pick(shares: Mapping[FaultT, float], point: float) -> FaultT | None:
    for name, share in shares.items():
        if point < share:
            return name
        point -= share
    return None


def parse_faults(text: str, *, seed: int = 0) -> Faults:
    """Read a specification such as ``429:0.05,reset:0.01,delay:lognormal(0.2,1.0)``.

    Raises
    ------
    InputError
        When a part is not understood, or the shares of one kind add up to more than 1.
    """
    transport: dict[TransportFault, float] = {}
    answer: dict[AnswerFault, float] = {}
    delay = NO_DELAY
    for part in re.split(r",(?![^(]*\))", text.replace(" ", "")) if text.strip() else []:
        if match := DELAY.fullmatch(part):
            delay = Delay(match[1], _number(match[2], part), _number(match[3] or "0", part))
            continue
        name, share = _name_and_share(part)
        if name in set(TransportFault):
            transport[TransportFault(name)] = share
        else:
            answer[AnswerFault(name)] = share
    if sum(transport.values()) > 1 or sum(answer.values()) > 1:
        message = f"the shares in `{text}` add up to more than 1"
        raise OptionError(message)
    return Faults(transport, answer, delay, seed)


def _name_and_share(part: str) -> tuple[str, float]:
    known = [*TransportFault, *AnswerFault]
    match = NAME_AND_SHARE.fullmatch(part)
    share = _number(match[2], part) if match else 0.0
    if match is None or match[1] not in known or not 0 <= share <= 1:
        message = f"`{part}` is not a fault; give name:share with a share from 0 to 1 and one of {', '.join(known)}, or delay:lognormal(0.2,1.0)"
        raise OptionError(message)
    return match[1], share


def _number(text: str, part: str) -> float:
    try:
        return float(text)
    except ValueError:
        message = f"`{text}` in `{part}` is not a number"
        raise OptionError(message) from None
