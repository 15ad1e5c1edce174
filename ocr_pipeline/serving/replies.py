"""Answers in the forms of those who ask."""

from __future__ import annotations

from typing import Any, Final

from ocr_pipeline.judge.programs import RunResult, RunStatus
from ocr_pipeline.judge.verdicts import Execution, TestResult, Verdict
from ocr_pipeline.serving.work import Ran

__all__ = ["execution_reply", "judge_reply", "run_code_reply", "sandbox_error", "submit_test", "unit_test_results"]

KILLED: Final = 137
"""What a shell says of a program that was killed, for one that used too much and yet ended well."""
UNIT_TEST_CODES: Final = {Verdict.WRONG_ANSWER: -2, Verdict.TIME_LIMIT: -3}
"""As LiveCodeBench's runner, which NeMo Gym uses, tells the outcome of a test; any other failure is -4."""
OTHER_FAILURE: Final = -4


def sandbox_error(message: str) -> dict[str, Any]:
    """Answer ``/run_code`` where nobody could run the program."""
    return {
        "status": "SandboxError",
        "message": message,
        "compile_result": None,
        "run_result": None,
        "executor_pod_name": None,
        "files": {},
    }


def run_code_reply(ran: Ran, language: str) -> dict[str, Any]:
    """Answer ``/run_code``; what a C++ compiler refuses is in ``compile_result``, as SandboxFusion does."""
    run = ran.run
    if run.status is RunStatus.NOT_RUN:
        return sandbox_error(run.stderr)
    reply = sandbox_error("") | {"status": "Success" if run.status is RunStatus.OK else "Failed"}
    if language == "cpp":
        stderr = run.stderr if run.status is RunStatus.COMPILE_ERROR else ""
        reply["compile_result"] = _command("Finished", ran.compile_s, int(not ran.is_compiled), "", stderr)
        if not ran.is_compiled:
            return reply
    return reply | {"run_result": _run_result(run), "message": "" if run.status is RunStatus.OK else str(run.status)}


def _run_result(run: RunResult) -> dict[str, Any]:
    stdout = run.stdout.decode("utf-8", "replace")
    if run.status is RunStatus.TIME_LIMIT:
        return _command("TimeLimitExceeded", run.cpu_time_s, None, stdout, run.stderr)
    code = run.exit_code if run.exit_code is not None else -(run.signal or 0)
    if run.status is not RunStatus.OK and code == 0:
        code = 1 if run.status is RunStatus.COMPILE_ERROR else KILLED
    return _command("Finished", run.cpu_time_s, code, stdout, run.stderr)


def _command(status: str, seconds: float | None, code: int | None, stdout: str | None, stderr: str) -> dict[str, Any]:
    return {"status": status, "execution_time": seconds, "return_code": code, "stdout": stdout, "stderr": stderr}


def submit_test(result: TestResult, case: tuple[str, str]) -> dict[str, Any]:
    """Answer one test of ``/submit``; its output is not kept."""
    passed = result.verdict is Verdict.ACCEPTED
    ran_well = result.verdict in {Verdict.ACCEPTED, Verdict.WRONG_ANSWER}
    is_late = result.verdict is Verdict.TIME_LIMIT
    info = sandbox_error(str(result.verdict)) | {
        "status": "Success" if ran_well else "Failed",
        "run_result": _command(
            "TimeLimitExceeded" if is_late else "Finished",
            result.cpu_time_s,
            None if is_late else int(not ran_well),
            None,
            result.detail,
        ),
    }
    return {
        "passed": passed,
        "exec_info": info,
        "test_info": {"input": {"stdin": case[0]}, "output": {"stdout": case[1]}},
    }


def unit_test_results(execution: Execution) -> list[bool | int]:
    """Answer the unit tests of ``/verify``; those that were not run after a failure have failed like the last one."""
    codes = [
        True if result.verdict is Verdict.ACCEPTED else UNIT_TEST_CODES.get(result.verdict, OTHER_FAILURE)
        for result in execution.results
    ]
    last = codes[-1] if codes else UNIT_TEST_CODES.get(execution.verdict, OTHER_FAILURE)
    return codes + [last] * (execution.tests_total - len(codes))


def judge_reply(sub_id: str | None, execution: Execution) -> dict[str, Any]:
    """Answer one submission of code-judge."""
    ran_well = execution.verdict in {Verdict.ACCEPTED, Verdict.WRONG_ANSWER}
    is_unknown = execution.verdict is Verdict.NOT_RUN
    return {
        "sub_id": sub_id,
        "success": execution.verdict is Verdict.ACCEPTED,
        "run_success": ran_well,
        "cost": max((result.cpu_time_s or 0.0 for result in execution.results), default=0.0),
        "reason": "internal_error"
        if is_unknown
        else "worker_timeout"
        if execution.verdict is Verdict.TIME_LIMIT
        else "",
        "verdict": str(execution.verdict),
    }


def execution_reply(execution: Execution) -> dict[str, Any]:
    """Answer in the columns of ``executions``."""
    total = execution.tests_total
    judged = execution.verdict is not Verdict.NOT_RUN
    failed = [result.test_id for result in execution.results if result.verdict is not Verdict.ACCEPTED]
    return {
        "verdict": str(execution.verdict),
        "reason": execution.reason and str(execution.reason),
        "tests_total": total,
        "tests_passed": execution.tests_passed,
        "pass_rate": execution.tests_passed / total if judged and total else None,
        "first_failed_test": failed[0] if failed else None,
        "detail": execution.detail,
        "needs_checker": execution.needs_checker,
        "trusts_candidate": execution.trusts_candidate,
        "runtime": execution.runtime,
        "sandbox_tier": execution.tier,
        "results": [
            {
                "test_id": result.test_id,
                "verdict": str(result.verdict),
                "cpu_time_s": result.cpu_time_s,
                "peak_memory_mib": result.peak_memory_mib,
            }
            for result in execution.results
        ],
    }
