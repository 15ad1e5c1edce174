"""A known-good and a known-bad program per language, judged with every batch: a harness that fails them judges nobody."""

from __future__ import annotations

from typing import Final

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge.programs import Limits, Runner, RunStatus, run_program
from ocr_pipeline.tables import PYTHONS

__all__ = ["failing_canary"]

INPUT: Final = b"20 22\n"
ANSWER: Final = b"42"
GOOD: Final = {
    "python": "print(sum(map(int, input().split())))\n",
    "cpp": "#include <iostream>\nint main() { long long a, b; std::cin >> a >> b; std::cout << a + b << '\\n'; }\n",
}
BAD: Final = {
    "python": "print(sum(map(int, input().split())) + 1)\nraise SystemExit(3)\n",
    "cpp": "#include <iostream>\nint main() { std::cout << 43 << '\\n'; return 3; }\n",
}
LIMITS: Final = Limits(cpu_s=10.0, memory_mib=256.0, wall_s=60.0)


def failing_canary(runner: Runner, language: str) -> str | None:
    """Return what is wrong with the judging of a language, or ``None``.

    A language that has no canary, or no compiler here, is not sick: its candidates say so themselves.
    """
    written_in = "python" if language in PYTHONS else language
    if written_in not in GOOD:
        return None
    try:
        good = run_program(GOOD[written_in], language, [INPUT], LIMITS, runner=runner)[0]
        bad = run_program(BAD[written_in], language, [INPUT], LIMITS, runner=runner)[0]
    except JudgeError as error:
        return f"canary: {error}"
    if good.status is RunStatus.NOT_RUN:
        return None
    if good.status is not RunStatus.OK or good.stdout.strip() != ANSWER:
        return f"canary: a right {language} program got `{good.status}` {good.stderr[-300:]}"
    if bad.status is not RunStatus.RUNTIME_ERROR or bad.exit_code != 3:  # noqa: PLR2004 - as the program above says
        return f"canary: a wrong {language} program got `{bad.status}`"
    return None
