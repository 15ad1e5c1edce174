"""What a program gave for one test: the text that a person, or a model that is to explain a failure, gets to see.

Nothing is compared or judged again; how it ended is told in words where it gave nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from ocr_pipeline.judge.asserting import parse_assert_test
from ocr_pipeline.judge.comparing import ResultTooLargeError, read_result
from ocr_pipeline.judge.programs import RunResult, RunStatus
from ocr_pipeline.judge.tasks import workplace_of
from ocr_pipeline.judge.verdicts import Candidate, JudgeConfig, ProblemSpec, Test
from ocr_pipeline.tables import IoMode

__all__ = ["Showing", "shown_output"]

MOST_CHARACTERS: Final = 2_000
NOTHING: Final = "(nothing)"


@dataclass(frozen=True, slots=True)
class Showing:
    """A program and the test that it is to be shown on."""

    key: str
    problem: ProblemSpec
    candidate: Candidate
    test: Test

    @property
    def n_bytes(self) -> int:
        """About how much memory it occupies."""
        return len(self.candidate.code) + len(self.test.input) + len(self.test.expected)


def shown_output(showing: Showing, *, config: JudgeConfig) -> tuple[str, str]:
    """Return the key and what the program gave, bounded.

    Raises
    ------
    JudgeError
        When no sandbox works here, or it failed.
    """
    problem, candidate = showing.problem, showing.candidate
    if problem.io_mode == IoMode.FUNCTION and parse_assert_test(showing.test.input, problem.function_name):
        return showing.key, "(an assertion of the test does not hold)"
    runner, limits = workplace_of(config.tiers).runner, config.limits_for(problem, candidate.language)
    program = runner.open(candidate.code, candidate.language, limits, problem.call, problem.files)
    if isinstance(program, RunResult):
        return showing.key, _told(program, showing)
    with program:
        return showing.key, _told(program.run(showing.test.input.encode("utf-8", "surrogatepass"), limits), showing)


def _told(run: RunResult, showing: Showing) -> str:
    output = _output(run, showing)
    if run.status is not RunStatus.OK:
        output = "\n".join(filter(None, (output, f"({run.status.replace('_', ' ')})", run.stderr.strip())))
    left = len(output) - MOST_CHARACTERS
    return f"{output[:MOST_CHARACTERS]}\n(and {left:,} more characters)" if left > 0 else output or NOTHING


def _output(run: RunResult, showing: Showing) -> str:
    text = run.stdout.decode("utf-8", "replace").rstrip("\n")
    if not run.result:
        return text
    if showing.problem.io_mode != IoMode.FUNCTION:
        return run.result.decode("utf-8", "replace").rstrip("\n")
    try:
        value = read_result(run.result, showing.test.expected, is_table=showing.candidate.language == "python")
    except (ValueError, ResultTooLargeError):
        return text
    return json.dumps(value, ensure_ascii=False, default=str)
