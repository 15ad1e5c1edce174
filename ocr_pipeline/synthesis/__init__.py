"""New problems from known ones: drafted by the teacher, kept only where tests are agreed and nothing known is retold.

What decides is asked of the rooms that decide it for all other problems: likeness of :mod:`ocr_pipeline.duplicates`,
benchmarks of :mod:`ocr_pipeline.contamination`, tests of :mod:`ocr_pipeline.generating`, verdicts of the judge.
"""

from typing import Final

VERSION: Final = "2"
