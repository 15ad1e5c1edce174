"""Asks a teacher model for answers through one client and one ledger, and pays for each answer once.

* :func:`generate` asks for solutions to problems and writes ``responses``.
* :func:`ask` is the general door for other steps: any messages, the same client, ledger and budget.
* :mod:`ocr_pipeline.teacher.servers` says where the teacher is.

What an answer holds (reasoning, code) is the business of the steps after it.
"""

from typing import Final

from ocr_pipeline.asking import Asking, Budget
from ocr_pipeline.teacher.ask import Reply, ask
from ocr_pipeline.teacher.generate import generate
from ocr_pipeline.teacher.options import GenerateConfig
from ocr_pipeline.teacher.request import Message, Request
from ocr_pipeline.teacher.servers import Server

__all__ = [
    "VERSION",
    "Asking",
    "Budget",
    "GenerateConfig",
    "Message",
    "Reply",
    "Request",
    "Server",
    "ask",
    "generate",
]

VERSION: Final = "4"
"""Changes when the same input gives other bytes."""
