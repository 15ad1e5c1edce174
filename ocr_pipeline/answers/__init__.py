"""An answer in its parts: reasoning, answer, fences, and the program in them.

The only reader of think tags and of code fences in the project: samples, plans, opinions on pairs, the student and the
teacher's replies all ask here. Whether the program is any good is not decided here; nothing is written.
"""

from ocr_pipeline.answers.choice import extract_code
from ocr_pipeline.answers.ending import Ending, ending_of
from ocr_pipeline.answers.fences import Fence, find_fences, prose_of, without_fences
from ocr_pipeline.answers.separation import FAILED, Separated, separate_text
from ocr_pipeline.answers.tags import OTHER_TAGS, says, tag_of
from ocr_pipeline.answers.thoughts import CLOSING, OPENING, Span, split_thought
from ocr_pipeline.answers.words import Case, FencePolicy, Separation

__all__ = [
    "CLOSING",
    "FAILED",
    "OPENING",
    "OTHER_TAGS",
    "Case",
    "Ending",
    "Fence",
    "FencePolicy",
    "Separated",
    "Separation",
    "Span",
    "ending_of",
    "extract_code",
    "find_fences",
    "prose_of",
    "says",
    "separate_text",
    "split_thought",
    "tag_of",
    "without_fences",
]
