"""The judge: runs candidates against tests in a sandbox, and gives each exactly one verdict.

``sandbox/`` isolates, ``programs.py`` compiles and runs, ``comparing.py`` and ``checkers.py`` compare,
``verdicts.py`` judges one candidate, ``step.py`` a table, and ``trust.py`` the tests. What a verdict is used for belongs to the selection, not here.
"""

from typing import Final

VERSION: Final = "8"

from ocr_pipeline.judge.asserting import AssertProblem, assert_tests  # noqa: E402 - the step needs the version
from ocr_pipeline.judge.programs import Limits, Runner, RunResult, RunStatus, Tiers, run_program  # noqa: E402
from ocr_pipeline.judge.sandbox.probing import TierReport, probe  # noqa: E402
from ocr_pipeline.judge.step import TestSource, judge  # noqa: E402
from ocr_pipeline.judge.trust import SolutionSource, check_tests  # noqa: E402
from ocr_pipeline.judge.verdicts import JudgeConfig, Reason, TrustConfig, Verdict  # noqa: E402

__all__ = [
    "VERSION",
    "AssertProblem",
    "JudgeConfig",
    "Limits",
    "Reason",
    "RunResult",
    "RunStatus",
    "Runner",
    "SolutionSource",
    "TestSource",
    "TierReport",
    "Tiers",
    "TrustConfig",
    "Verdict",
    "assert_tests",
    "check_tests",
    "judge",
    "probe",
    "run_program",
]
