"""An answer in its parts: reasoning, answer, fences, and the program in them.

The only reader of think tags and of code fences in the project: samples, plans, pair judging, the student and the
teacher's replies all ask here. Whether the program is any good is not decided here; nothing is written.
"""

from ocr_pipeline.answers.fences import Fence, extract_code, find_fences, prose_of, says, without_fences
from ocr_pipeline.answers.separation import (
    CLOSING,
    FAILED,
    OPENING,
    Parts,
    Separated,
    Span,
    Thought,
    find_thought,
    separate_text,
    split_thought,
)
from ocr_pipeline.answers.words import Case, FencePolicy, Separation

__all__ = [
    "CLOSING",
    "FAILED",
    "OPENING",
    "Case",
    "Fence",
    "FencePolicy",
    "Parts",
    "Separated",
    "Separation",
    "Span",
    "Thought",
    "extract_code",
    "find_fences",
    "find_thought",
    "prose_of",
    "says",
    "separate_text",
    "split_thought",
    "without_fences",
]
