"""From responses to samples, and from samples to the data set.

``separate`` gives every response one verdict: reasoning, answer and code apart by byte offsets, the code's syntax, and
what repeats. ``select`` chooses from the judged table what downstream trains on. Asking the teacher comes before, running
the code is another step.
"""

from typing import Final

from ocr_pipeline.samples.options import Execution, SampleConfig, SelectionConfig, TextPolicy
from ocr_pipeline.samples.selection import select
from ocr_pipeline.samples.step import separate
from ocr_pipeline.samples.verdicts import SyntaxVerdict

__all__ = [
    "VERSION",
    "Execution",
    "SampleConfig",
    "SelectionConfig",
    "SyntaxVerdict",
    "TextPolicy",
    "select",
    "separate",
]

VERSION: Final = "5"
