"""The bodies of requests: SandboxFusion's, NeMo Gym's, code-judge's, and our own batch form.

Unknown fields are ignored, as the original servers do. What is missing, of another type or beyond a limit is refused with
one line.
"""

from __future__ import annotations

import json
from typing import Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ocr_pipeline.judge.verdicts import MOST_S, ProblemSpec, Test
from ocr_pipeline.serving.refusals import Refused
from ocr_pipeline.tables import Checker, CheckerProtocol, IoMode, Language

__all__ = [
    "JudgeBatch",
    "JudgeOne",
    "JudgeTests",
    "RunCode",
    "Submit",
    "Verify",
    "read_body",
]

Body = TypeVar("Body", bound=BaseModel)
SHOWN_CHARACTERS = 80


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class RunCode(_Body):
    """SandboxFusion's ``/run_code``."""

    code: str
    language: str
    stdin: str | None = None
    run_timeout: float | None = Field(default=None, gt=0)
    memory_limit_MB: float = -1  # noqa: N815 - the name of the field
    files: dict[str, str | None] = {}
    fetch_files: list[str] = []


class _Config(_Body):
    language: Language | None = None
    run_timeout: float | None = Field(default=None, gt=0)
    provided_data: dict[str, Any] | list[dict[str, Any]] | None = None
    custom_extract_logic: str | None = None


class _Streams(_Body):
    input: dict[str, str]
    output: dict[str, str]


class _Provided(_Body):
    test: list[_Streams]


class Submit(_Body):
    """SandboxFusion's ``/submit`` with the tests in the request."""

    dataset: str = ""
    id: int | str
    completion: str
    config: _Config

    @property
    def tests(self) -> list[tuple[str, str]]:
        """Input and expected output of each test.

        Raises
        ------
        Refused
            When the request holds no such tests.
        """
        given = self.config.provided_data
        row = given[0] if isinstance(given, list) and given else given
        tests = row.get("test") if isinstance(row, dict) else None
        if isinstance(tests, str):
            tests = _json(tests)
        if tests is None:
            raise Refused(
                422,
                "config.provided_data must hold the tests, as {test: [{input: {stdin: …}, output: {stdout: …}}]}: "
                "no data set is stored here",
            )
        read = _checked(_Provided, {"test": tests}).test
        if any(set(case.input) - {"stdin"} or set(case.output) - {"stdout"} for case in read):
            raise Refused(422, "tests of files are not run here: give stdin and stdout only")
        return [(case.input.get("stdin", ""), case.output.get("stdout", "")) for case in read]


def _json(text: str) -> Any:  # noqa: ANN401 - any value
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(422, f"config.provided_data.test is not JSON: {error}") from error


class _UnitTests(_Body):
    inputs: list[str]
    outputs: list[str]
    fn_name: str | None = None


class _Metadata(_Body):
    unit_tests: _UnitTests
    difficulty: Any = None
    language: Language = Language.PYTHON
    checker: Checker = Checker.TOKENS
    float_tolerance: float | None = None
    time_limit_s: float | None = Field(default=None, gt=0, le=MOST_S)
    memory_limit_mib: float | None = Field(default=None, gt=0)


class Verify(_Body):
    """NeMo Gym's ``/verify``: what is not read here goes back as it came."""

    model_config = ConfigDict(extra="allow", frozen=True)

    response: dict[str, Any]
    verifier_metadata: dict[str, Any]

    @property
    def metadata(self) -> _Metadata:
        """The tests and what we read beside them."""
        return _checked(_Metadata, self.verifier_metadata)

    @property
    def text(self) -> str:
        """What the model wrote: the text of all its messages, or the field that sums them up."""
        output = self.response.get("output")
        messages = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        parts = [part for item in messages if item.get("type") == "message" for part in item.get("content") or []]
        texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "output_text"]
        summed = self.response.get("output_text")
        return "".join(map(str, filter(None, texts))) or (summed if isinstance(summed, str) else "")


class JudgeOne(_Body):
    """code-judge's ``/judge``: one program, one test."""

    type: Language
    solution: str
    input: str | None = None
    expected_output: str | None = None
    sub_id: str | None = None


class JudgeBatch(_Body):
    """code-judge's ``/judge/batch``."""

    type: Literal["batch"] = "batch"
    submissions: list[JudgeOne]
    sub_id: str | None = None


class _Case(_Body):
    input: str
    expected: str
    test_id: str | None = None


class _Problem(_Body):
    model_config = ConfigDict(extra="forbid", frozen=True)

    io_mode: IoMode = IoMode.STDIN
    function_name: str | None = None
    starter_code: str | None = None
    input_file: str | None = None
    output_file: str | None = None
    time_limit_s: float | None = Field(default=None, gt=0, le=MOST_S)
    memory_limit_mib: float | None = Field(default=None, gt=0)
    checker: Checker = Checker.TOKENS
    float_tolerance: float | None = None
    checker_language: Language | None = None
    checker_protocol: CheckerProtocol | None = None
    checker_flags: str | None = None
    checker_code: str | None = None


class JudgeTests(_Body):
    """Our own: one program, all tests of its problem, one compilation."""

    language: Language = Language.PYTHON
    code: str | None = None
    completion: str | None = None
    """A whole answer, from which the program is taken as everywhere here."""
    problem: _Problem = _Problem()
    tests: list[_Case] = Field(min_length=1)

    @property
    def spec(self) -> ProblemSpec:
        """The problem as the judge knows it."""
        return ProblemSpec(problem_id="request", **self.problem.model_dump())

    @property
    def cases(self) -> tuple[Test, ...]:
        """The tests."""
        return tuple(
            Test(case.test_id or f"{number:06}", case.input, case.expected) for number, case in enumerate(self.tests)
        )


def read_body(model: type[Body], body: bytes) -> Body:
    """Read the body of a request.

    Raises
    ------
    Refused
        With 400 for what is not JSON, 422 for what has other fields.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Refused(422, f"the body must be an object, got a {type(value).__name__}")
    return _checked(model, value)


def _checked(model: type[Body], value: dict[str, Any]) -> Body:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found[:3])
        raise Refused(422, said) from None
