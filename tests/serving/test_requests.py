"""Whatever a body holds, it is answered or refused with a status; nothing else is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ocr_pipeline.judge.programs import RunResult, RunStatus
from ocr_pipeline.judge.verdicts import Execution, JudgeConfig, Verdict
from ocr_pipeline.serving.options import ServeOptions
from ocr_pipeline.serving.refusals import Refused
from ocr_pipeline.serving.requests import JudgeBatch, JudgeOne, JudgeTests, RunCode, Submit, Verify, read_body
from ocr_pipeline.serving.service import Service
from ocr_pipeline.serving.work import Judging, Ran, Running

NAMES = [
    "code", "language", "stdin", "run_timeout", "memory_limit_MB", "files", "fetch_files", "id", "completion", "config",
    "provided_data", "test", "input", "output", "stdout", "response", "verifier_metadata", "unit_tests", "inputs", "outputs",
    "fn_name", "type", "solution", "expected_output", "submissions", "problem", "tests", "expected", "io_mode", "checker",
    "text", "content",
]  # fmt: skip
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["python", "cpp", "math", "message", "output_text", "stdin", "1", "", "[1]", "../x"])
    | st.text(max_size=4)
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=25,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)
CASES = {"input": "1", "expected": "1"}
FINE: dict[type[BaseModel], dict[str, Any]] = {
    RunCode: {"code": "1", "language": "python"},
    Submit: {"id": 1, "completion": "1", "config": {"provided_data": {"test": [{"input": {}, "output": {}}]}}},
    Verify: {"response": {"output": []}, "verifier_metadata": {"unit_tests": {"inputs": ["1"], "outputs": ["1"]}}},
    JudgeOne: {"type": "python", "solution": "1", "expected_output": "1"},
    JudgeBatch: {"submissions": [{"type": "python", "solution": "1"}]},
    JudgeTests: {"code": "1", "tests": [CASES]},
}
"""A body that each endpoint takes."""


class AlwaysRight:
    """Stands for the pool: every program runs well."""

    workers = 1
    in_flight = waiting = 0

    async def run(self, _: Callable[..., object], task: Judging | Running) -> Execution | Ran:
        """Return a pass."""
        if isinstance(task, Judging):
            return Execution(Verdict.ACCEPTED, len(task.tests))
        return Ran(RunResult(RunStatus.OK, b"1", exit_code=0), 0.0)


def answers(service: Service) -> dict[type[BaseModel], Callable[[Any], Awaitable[dict[str, Any]]]]:
    """Return the endpoint of each body."""
    return {
        RunCode: service.run_code,
        Submit: service.submit,
        Verify: service.verify,
        JudgeOne: service.judge,
        JudgeBatch: service.judge_batch,
        JudgeTests: service.judge_tests,
    }


def ask(model: type[BaseModel], body: dict[str, Any]) -> dict[str, Any]:
    """Answer a body without a network and without a sandbox."""
    service = Service(AlwaysRight(), ServeOptions(), JudgeConfig())  # type: ignore[arg-type]

    async def answered() -> dict[str, Any]:
        return await answers(service)[model](read_body(model, orjson.dumps(body)))

    return asyncio.run(answered())


@pytest.mark.parametrize("model", FINE)
def test_a_fine_body_is_answered(model: type[BaseModel]) -> None:
    """The answer is JSON."""
    assert orjson.dumps(ask(model, FINE[model]))


@pytest.mark.parametrize("model", FINE)
@given(body=BODIES, keeps=st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_body_is_answered_or_refused(model: type[BaseModel], body: dict[str, Any], keeps: bool) -> None:  # noqa: FBT001 - drawn
    """A refusal has a status of the asker's and says something; an answer is JSON."""
    status, reply = outcome(lambda: ask(model, (FINE[model] | body) if keeps else body))
    assert status in {200, 422}
    assert reply
    assert orjson.dumps(reply)


@given(st.binary(max_size=40))
def test_any_bytes_are_refused_or_read(body: bytes) -> None:
    """What is not JSON is a bad request."""
    assert outcome(lambda: read_body(RunCode, body).model_dump())[0] in {200, 400, 422}


def outcome(answer: Callable[[], dict[str, Any]]) -> tuple[int, dict[str, Any] | str]:
    """Return the status and the answer, or what the refusal says."""
    try:
        return 200, answer()
    except Refused as refused:
        return refused.status, str(refused)
