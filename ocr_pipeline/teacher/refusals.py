"""What a server means by refusing: whose failure it is, told by its status and its words.

Engines and gateways use one status for everything, so the words decide. What is final is matched narrowly: a prompt
that is too long, and a question that a filter turned down. Words that nobody knows are a setting's failure, which the
next run asks again.
"""

from __future__ import annotations

import re
from typing import Final

from ocr_pipeline.teacher.reply import ErrorKind

__all__ = ["is_account", "is_moderated", "kind_of_refusal"]

UNAVAILABLE: Final = frozenset({408, 409, 420, 424, 425, 499})
PAYMENT: Final = 402
FORBIDDEN: Final = 403
TOO_LARGE: Final = 413
LEGAL_REASONS: Final = 451

MACHINE: Final = re.compile(
    r"out of memory|\bcuda\b|\bnccl\b|engine ?core|internal error|overloaded|loading|upstream|disconnect/reset"
    r"|worker (?:died|exited|is dead)|shutting down|temporarily unavailable|try again later|connection (?:error|refused)"
)
ACCOUNT: Final = re.compile(
    r"insufficient[_ ](?:quota|balance|funds|credits?)|exceeded your current quota|quota (?:has been |was )?(?:exceeded|exhausted)"
    r"|billing|\bcredits\b|credit balance|balance (?:is )?(?:too low|negative|not enough)|arrear|recharge|spend(?:ing)? limit"
    r"|free tier|payment required|good standing"
)
TOO_LONG: Final = re.compile(
    r"context[ _](?:length|size|window)|context_length_exceeded|tokens_limit_reached|max_model_len|max_input_len|max_num_tokens"
    r"|too many (?:input |prompt )?tokens|(?:prompt|input|message)s? (?:is|are) too (?:long|large)|longer than the maximum"
    r"|(?:prompt|input) length|maximum input length|length of (?:the )?(?:messages|input)|string too long"
    r"|exceeds? (?:the )?maximum (?:length|number of tokens)|exceeds the maximum|max_new_tokens` must be"
    r"|tokens? (?:length )?exceeds? (?:the |model )?limit|must have less than \d+ tokens|input_tokens \d+ >"
)
MODERATION: Final = re.compile(
    r"moderation|flagged|content[_ ]policy|content management policy|(?:was|been) filtered|inappropriate content"
    r"|content exists risk|usage polic|safety (?:system|filter|setting)|prohibited_content|blocked by safety|datainspection"
)
SETTING: Final = re.compile(
    r"unsupported[_ ](?:parameter|value)|unknown (?:parameter|field|argument)|(?:is|are|does) not support|not supported|not permitted"
    r"|chat template|unrecognized|(?:is|are) too large: \d+|only one of|must be (?:between|at most|at least|less|greater)"
    r"|invalid value|invalid parameter|invalid[_ ]api[_ ]key|does not exist|model not found|model_not_found"
)


def is_account(words: str) -> bool:
    """Tell that a refusal is about money."""
    return ACCOUNT.search(words) is not None


def is_moderated(words: str) -> bool:
    """Tell that a refusal is about what was asked; some gateways say so by a list of reasons."""
    return MODERATION.search(words) is not None or '"reasons"' in words


def kind_of_refusal(status: int, words: str) -> ErrorKind:
    """Return what a 4xx means; one that nobody knows is not known to be the question's fault."""
    if status in UNAVAILABLE or MACHINE.search(words):
        return ErrorKind.SERVER_ERROR
    if status == PAYMENT or is_account(words):
        return ErrorKind.ACCOUNT
    if status == TOO_LARGE or TOO_LONG.search(words):
        return ErrorKind.PROMPT_TOO_LONG
    if status in {FORBIDDEN, LEGAL_REASONS} or MODERATION.search(words):
        return ErrorKind.MODERATION
    return ErrorKind.SETTING if SETTING.search(words) else ErrorKind.BAD_REQUEST
