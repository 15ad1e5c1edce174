"""Critiques of judged samples: a model says whether a program is right, and execution says whether the model is.

``choosing.py`` draws as many right samples as wrong ones, ``make.py`` asks and writes every row, ``answers.judgement``
reads the last word of an answer. What the tests said is never shown to who judges; it is shown to who explains a failure.
"""

from typing import Final

VERSION: Final = "1"
"""Changes when the same input gives other bytes."""
