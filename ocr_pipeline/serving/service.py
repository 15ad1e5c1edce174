"""What each endpoint does: a request becomes work, its result an answer. Knows limits and counts, and no HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from ocr_pipeline.judge.programs import RunStatus
from ocr_pipeline.judge.verdicts import Candidate, Execution, JudgeConfig, ProblemSpec, Reason, Test, Verdict
from ocr_pipeline.serving import replies
from ocr_pipeline.serving.options import ServeOptions
from ocr_pipeline.serving.pool import Pool
from ocr_pipeline.serving.refusals import NotRun, Refused
from ocr_pipeline.serving.requests import JudgeBatch, JudgeOne, JudgeTests, RunCode, Submit, Verify
from ocr_pipeline.serving.work import Judging, Ran, Running, judge_program, run_code
from ocr_pipeline.student.generation import extract_code
from ocr_pipeline.tables import JUDGED_LANGUAGES, IoMode, Language

__all__ = ["Service"]

DEFAULT_MEMORY_MIB: Final = 1_024.0
"""Where a request to run code names no limit: what verl asks for."""
DEFAULT_RUN_S: Final = 10.0  # SandboxFusion's
ASKED_WRONGLY: Final = frozenset({Reason.INTERACTIVE, Reason.NO_FILES, Reason.NO_FUNCTION})
"""Why a program was not run, where asking again cannot help."""


class Service:
    """Answers requests.

    Parameters
    ----------
    pool
        Runs the work.
    options
        Limits of a request.
    config
        How programs are judged where a request does not say.
    """

    def __init__(self, pool: Pool, options: ServeOptions, config: JudgeConfig) -> None:
        self.pool = pool
        self.options = options
        self._config = config
        self.verdicts: Counter[str] = Counter()
        self.answers: Counter[tuple[str, int]] = Counter()
        """Requests by endpoint and status."""

    async def run_code(self, body: RunCode) -> dict[str, Any]:
        """Run a program once, as SandboxFusion does."""
        if body.files or body.fetch_files:
            raise Refused(422, "files and fetch_files must be empty: programs here have no files")
        if body.language not in JUDGED_LANGUAGES:
            return replies.sandbox_error(f"the judge runs python and cpp, not `{body.language}`")
        seconds = min(DEFAULT_RUN_S, self.options.longest_run) if body.run_timeout is None else body.run_timeout
        self._require_time(seconds, "run_timeout")
        memory = DEFAULT_MEMORY_MIB if body.memory_limit_MB <= 0 else body.memory_limit_MB
        self._require_memory(memory, "memory_limit_MB")
        ran = await self._run(body.code, body.language, body.stdin or "", seconds, memory)
        return replies.run_code_reply(ran, body.language)

    async def _run(self, code: str, language: str, stdin: str, cpu_s: float, memory_mib: float) -> Ran:
        running = Running(
            Candidate(language, code),
            stdin,
            cpu_s,
            memory_mib,
            self._config.output_mib,
            self._config.tiers,
            self.options.longest_request,
        )
        ran = await self.pool.run(run_code, running)
        self.verdicts[str(ran.run.status)] += 1
        return ran

    async def submit(self, body: Submit) -> dict[str, Any]:
        """Judge an answer by the tests in the request, as SandboxFusion does."""
        if body.config.custom_extract_logic:
            raise Refused(
                422, "config.custom_extract_logic must be empty: no code of requests runs outside the sandbox"
            )
        tests, language = body.tests, body.config.language or Language.PYTHON
        code = extract_code(body.completion, language)
        cases = tuple(Test(f"{number:06}", *case) for number, case in enumerate(tests))
        config = self._limited(body.config.run_timeout)
        execution = await self._judge(code, language, ProblemSpec("request"), cases, config)
        results = {result.test_id: result for result in execution.results}
        listed = [
            replies.submit_test(results[case.test_id], tests[number])
            for number, case in enumerate(cases)
            if case.test_id in results
        ]
        return {
            "id": body.id,
            "accepted": execution.verdict is Verdict.ACCEPTED,
            "extracted_code": code,
            "full_code": None,
            "test_code": None,
            "tests": listed,
            "extracted_type": None,
            "extra": {"verdict": str(execution.verdict), "detail": execution.detail},
        }

    async def verify(self, body: Verify) -> dict[str, Any]:
        """Reward an answer, as a resources server of NeMo Gym does; a response without text has reward 0."""
        metadata, text = body.metadata, body.text
        code = extract_code(text, metadata.language) if text.strip() else ""
        cases, name = _unit_tests(metadata.unit_tests.inputs, metadata.unit_tests.outputs, metadata.unit_tests.fn_name)
        spec = ProblemSpec(
            "request",
            io_mode=IoMode.FUNCTION if name else IoMode.STDIN,
            function_name=name,
            checker=metadata.checker,
            float_tolerance=metadata.float_tolerance,
            time_limit_s=metadata.time_limit_s,
            memory_limit_mib=metadata.memory_limit_mib,
        )
        started = time.monotonic()
        execution = await self._judge(code, metadata.language, spec, cases, self._config)
        return {
            **body.model_dump(),
            "reward": float(execution.verdict is Verdict.ACCEPTED),
            "extracted_model_output": text or None,
            "extracted_model_code": code or None,
            "result": replies.unit_test_results(execution),
            "metadata": {"verdict": str(execution.verdict), "detail": execution.detail},
            "unit_tests_time_taken": time.monotonic() - started,
            "reasoning_format_violation_rate": 0.0,
            "difficulty": metadata.difficulty,
        }

    async def judge(self, body: JudgeOne) -> dict[str, Any]:
        """Judge a program by one test, as code-judge does."""
        execution = await self._judge_one(body)
        reply = replies.judge_reply(body.sub_id, execution)
        if execution.verdict is Verdict.NOT_RUN:
            raise NotRun(execution.detail or "not run", body=reply)
        return reply

    async def judge_batch(self, body: JudgeBatch) -> dict[str, Any]:
        """Judge submissions side by side; where one was not run the status is 503 and the others' results are there."""
        self._require_tests(len(body.submissions))
        executions = await self._all(body.submissions)
        results = [
            replies.judge_reply(each.sub_id, execution)
            for each, execution in zip(body.submissions, executions, strict=True)
        ]
        reply = {"sub_id": body.sub_id, "results": results}
        if any(execution.verdict is Verdict.NOT_RUN for execution in executions):
            raise NotRun("not every submission could be run", body=reply)
        return reply

    async def _all(self, submissions: Sequence[JudgeOne]) -> list[Execution]:
        """Judge several, as many at a time as there are workers, so that one request does not fill the queue."""
        places = asyncio.Semaphore(self.pool.workers)

        async def judge_in_turn(body: JudgeOne) -> Execution:
            async with places:
                return await self._judge_one(body)

        tasks = [asyncio.ensure_future(judge_in_turn(each)) for each in submissions]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _judge_one(self, body: JudgeOne) -> Execution:
        if body.expected_output is None:
            ran = await self._run(
                body.solution, body.type, body.input or "", self._config.default_time_limit_s, DEFAULT_MEMORY_MIB
            )
            is_well = ran.run.status is RunStatus.OK
            return Execution(Verdict.ACCEPTED if is_well else Verdict(ran.run.status), 1, detail=ran.run.stderr or None)
        case = Test("000000", body.input or "", body.expected_output)
        return await self._verdict(body.solution, body.type, ProblemSpec("request"), (case,), self._config)

    async def judge_tests(self, body: JudgeTests) -> dict[str, Any]:
        """Judge a program by all tests of its problem: compiled once, answered in the columns of ``executions``."""
        if (body.code is None) == (body.completion is None):
            raise Refused(422, "give either code or completion")
        if body.problem.time_limit_s is not None:
            self._require_time(body.problem.time_limit_s, "problem.time_limit_s")
        code = extract_code(body.completion or "", body.language) if body.code is None else body.code
        execution = await self._judge(code, body.language, body.spec, body.cases, self._config)
        return replies.execution_reply(execution)

    async def _judge(
        self, code: str, language: str, spec: ProblemSpec, tests: tuple[Test, ...], config: JudgeConfig
    ) -> Execution:
        """Judge; an answer without a program is the model's failure, what nobody could run is nobody's.

        Raises
        ------
        NotRun
            When nobody could.
        Refused
            When nobody ever can.
        """
        execution = await self._verdict(code, language, spec, tests, config)
        if execution.verdict is Verdict.NOT_RUN and execution.reason is Reason.NO_CODE:
            return Execution(Verdict.WRONG_ANSWER, len(tests), detail="the answer holds no program")
        if execution.verdict is Verdict.NOT_RUN:
            message, reply = execution.detail or "not run", replies.execution_reply(execution)
            raise (
                Refused(422, message, body=reply) if execution.reason in ASKED_WRONGLY else NotRun(message, body=reply)
            )
        return execution

    async def _verdict(
        self, code: str, language: str, spec: ProblemSpec, tests: tuple[Test, ...], config: JudgeConfig
    ) -> Execution:
        if not tests:
            raise Refused(422, "there are no tests; a program that nothing tests is neither right nor wrong")
        self._require_tests(len(tests))
        if spec.memory_limit_mib is not None:
            self._require_memory(spec.memory_limit_mib, "memory_limit_mib")
        execution = await self.pool.run(
            judge_program, Judging(Candidate(str(language), code), spec, tests, config, self.options.longest_request)
        )
        self.verdicts[str(execution.verdict)] += 1
        return execution

    def _limited(self, seconds: float | None) -> JudgeConfig:
        """Return how to judge with a time limit that a request names: it holds as it is, in every language."""
        if seconds is None:
            return self._config
        self._require_time(seconds, "run_timeout")
        return self._config.model_copy(update={"default_time_limit_s": seconds})

    def _require_time(self, seconds: float, name: str) -> None:
        if seconds > self.options.longest_run:
            raise Refused(422, f"{name} must be at most {self.options.longest_run:g} seconds, got {seconds:g}")

    def _require_memory(self, mebibytes: float, name: str) -> None:
        if mebibytes > self.options.largest_memory:
            raise Refused(422, f"{name} must be at most {self.options.largest_memory:g} MiB, got {mebibytes:g}")

    def _require_tests(self, count: int) -> None:
        if count > self.options.tests_per_request:
            raise Refused(422, f"a request holds at most {self.options.tests_per_request} tests, got {count}")

    def health(self) -> dict[str, Any]:
        """Say how the service is."""
        return {"status": "ok", "workers": self.pool.workers, "in_flight": self.pool.in_flight}

    def metrics(self) -> str:
        """Return counters in the text form that Prometheus reads."""
        lines = ["# TYPE judge_requests_total counter"]
        lines += [
            f'judge_requests_total{{endpoint="{endpoint}",status="{status}"}} {count}'
            for (endpoint, status), count in sorted(self.answers.items())
        ]
        lines.append("# TYPE judge_verdicts_total counter")
        lines += [f'judge_verdicts_total{{verdict="{name}"}} {count}' for name, count in sorted(self.verdicts.items())]
        for name, value in (("in_flight", self.pool.in_flight), ("waiting", self.pool.waiting)):
            lines += [f"# TYPE judge_{name} gauge", f"judge_{name} {value}"]
        return "\n".join([*lines, ""])


def _unit_tests(inputs: list[str], outputs: list[str], name: str | None) -> tuple[tuple[Test, ...], str | None]:
    """Return LiveCodeBench's tests as ours: the arguments of a call are one JSON value a line."""
    if len(inputs) != len(outputs):
        raise Refused(422, f"unit_tests holds {len(inputs)} inputs and {len(outputs)} outputs")
    given = [_arguments(text) for text in inputs] if name else inputs
    tests = (Test(f"{number:06}", one, two) for number, (one, two) in enumerate(zip(given, outputs, strict=True)))
    return tuple(tests), name or None


def _arguments(text: str) -> str:
    try:
        return json.dumps([json.loads(line) for line in text.split("\n") if line.strip()])
    except (ValueError, RecursionError) as error:
        raise Refused(422, f"the input of a call must be one JSON value a line: {error}") from error
