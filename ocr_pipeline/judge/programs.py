"""Compiles and runs programs in a sandbox: the low-level door, without problems, tests or verdicts.

:class:`Runner` keeps a sandbox and gives out a :class:`Program` per candidate; :func:`run_program` is the short form
for a program and a list of inputs. Outputs are returned, never compared here.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

from ocr_pipeline.judge.executables import ProgramCache, contents, static_image
from ocr_pipeline.judge.functions import COMMENTS, calling_program, names_function, plain_program
from ocr_pipeline.judge.grading import Grader, hidden_removed, last_word, sealed
from ocr_pipeline.judge.newer import newer_syntax
from ocr_pipeline.judge.sandbox import (
    CANNOT_START,
    MIB,
    NO_FILES,
    DisturbedError,
    Jail,
    JailFiles,
    JailLimits,
    RawResult,
    Sandbox,
    SandboxPlan,
    Tier,
    building,
    memory_file,
    package_versions,
    pypy_plan,
)
from ocr_pipeline.judge.sandbox.probing import choose_plan
from ocr_pipeline.judge.sandbox.protocol import JailKind, Stop
from ocr_pipeline.tables import CPP_DIALECTS, PYPY, PYTHONS

__all__ = ["CompileResult", "Limits", "Program", "RunResult", "RunStatus", "Runner", "Tiers", "plan_for", "run_program"]

STDERR_BYTES: Final = 4_096
COMPILE_LIMITS: Final = JailLimits(
    address_space_bytes=3 << 30, file_bytes=256 * MIB, cpu_s=30, scratch_bytes=512 * MIB, processes=64
)
COMPILE_CPU_S: Final = 30.0
SOLUTION: Final = re.compile(r"^class[ \t]+Solution\b", re.MULTILINE)
WALL_FACTOR: Final = 3.0
WALL_EXTRA_S: Final = 2.0
SIGXCPU: Final = 24
SIGXFSZ: Final = 25
SIGKILL: Final = 9
# g++ turns `1 / x` into comparisons, so that a division by zero goes on; the flag that keeps the trap costs 11 % of CPU time
# (12 accepted submissions), so only programs that have such a division get it.
ONE_DIVIDED: Final = re.compile(r"(?<![\w.)\]])1[uUlL]{0,3}\s*/\s*[A-Za-z_(]")
KEEP_TRAPS: Final = "-fnon-call-exceptions"
LINKED: Final = ("-static", "-no-pie", "-Wl,-e,judge_entry")
BESIDE: Final = "/proc/self/fd/1"
KILLED_COMPILER: Final = "Killed signal terminated program"  # as g++ says of its own processes


class RunStatus(StrEnum):
    """How a run ended, before anybody looked at its output."""

    OK = "ok"
    RUNTIME_ERROR = "runtime_error"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    COMPILE_ERROR = "compile_error"
    NOT_RUN = "not_run"


class Tiers(StrEnum):
    """Which isolation is wanted."""

    AUTO = "auto"
    """A, else B, else refuse."""
    A = "A"
    B = "B"
    UNSANDBOXED = "unsandboxed"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run; verdicts are taken from what was used."""

    cpu_s: float = 10.0
    memory_mib: float = 256.0
    output_mib: float = 64.0
    wall_s: float | None = None
    """Default: three times the CPU time and two seconds; it only stops programs that sleep."""

    @property
    def wall(self) -> float:
        """The wall clock guard in seconds."""
        return self.cpu_s * WALL_FACTOR + WALL_EXTRA_S if self.wall_s is None else self.wall_s

    @property
    def walls(self) -> JailLimits:
        """The kernel's walls: wide enough for big reserved stacks and untouched arrays."""
        address_space = max(4 * self.memory_mib, 1024) * MIB
        stack = min(max(self.memory_mib, 256), 1024) * MIB
        return JailLimits(
            int(address_space), int(self.output_mib * MIB), math.ceil(self.cpu_s) + 2, stack_bytes=int(stack)
        )


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run of a program."""

    status: RunStatus
    stdout: bytes = b""
    stderr: str = ""
    result: bytes = b""
    """What a function returned, flattened; or the output file."""
    exit_code: int | None = None
    signal: int | None = None
    cpu_time_s: float | None = None
    wall_time_s: float | None = None
    peak_memory_mib: float | None = None
    stopped_by_wall: bool = False
    waited_s: float = 0.0
    """How long it waited for a core; 0 where nobody tells (tier B)."""


@dataclass(frozen=True, slots=True)
class CompileResult:
    """The compiled program, or why there is none."""

    program: int | None
    """Descriptor of the executable or of the marshalled code."""
    status: RunStatus = RunStatus.OK
    message: str = ""


@dataclass(frozen=True, slots=True)
class TestFiles:
    """Descriptors of one run."""

    __test__ = False

    stdin: int
    stdout: int
    stderr: int
    result: int
    more: tuple[int, ...] = ()
    """What a checker also reads: the test's input and its answer."""

    @property
    def all(self) -> tuple[int, ...]:
        """In the order of the protocol."""
        return self.stdin, self.stdout, self.stderr, self.result, *self.more


@contextmanager
def test_files(stdin: bytes, *more: bytes) -> Iterator[TestFiles]:
    """Open the files of one run and close them after it."""
    stdout, stderr, result = (os.memfd_create(name, os.MFD_CLOEXEC) for name in ("stdout", "stderr", "result"))
    files = TestFiles(memory_file(stdin), stdout, stderr, result, tuple(map(memory_file, more)))
    try:
        yield files
    finally:
        for descriptor in files.all:
            os.close(descriptor)


test_files.__test__ = False  # type: ignore[attr-defined]


class Program:
    """A compiled candidate in its jail. Close it when its tests are done."""

    def __init__(
        self, sandbox: Sandbox, kind: JailKind, program: int, limits: Limits, files: JailFiles = NO_FILES
    ) -> None:
        self._sandbox = sandbox
        self._kind = kind
        self._program = program
        self._files = files
        self._walls = limits.walls
        self._jail: Jail | None = None

    def run(self, stdin: bytes, limits: Limits, *more: bytes) -> RunResult:
        """Run it once; ``more`` is what a checker also reads.

        Raises
        ------
        JudgeError
            When the sandbox failed.
        """
        with test_files(stdin, *more) as files:
            jail = self.begin(files, limits)
            result = self.read(jail.finish(limits.wall), files, limits)
        if result.exit_code == CANNOT_START and self._kind is JailKind.BINARY and self._is_too_large():
            return replace(result, status=RunStatus.MEMORY_LIMIT)
        return result

    def read(self, raw: RawResult, files: TestFiles, limits: Limits) -> RunResult:
        """Read what a run left behind.

        Raises
        ------
        DisturbedError
            When something outside stopped it: a program in a sandbox cannot send itself a SIGKILL.
        """
        result = read_result(raw, files, limits)
        killed = result.signal == SIGKILL and result.status is RunStatus.RUNTIME_ERROR
        if raw.stop is Stop.STARVED or (killed and self._sandbox.plan.tier is not Tier.UNSANDBOXED):
            message = "killed from outside" if killed else "the machine gave the program no core"
            raise DisturbedError(message)
        return result

    def _is_too_large(self) -> bool:
        """Whether an executable's static data alone is beyond the limits of its processes."""
        return static_image(contents(self._program)).memory_bytes > self._walls.address_space_bytes

    def begin(self, files: TestFiles, limits: Limits) -> Jail:
        """Begin a run with files of the caller's; :meth:`Jail.finish` waits for it."""
        jail = self._fresh_jail(limits)
        jail.start(files.all, cpu_s=limits.cpu_s, wall_s=limits.wall)
        return jail

    def _fresh_jail(self, limits: Limits) -> Jail:
        """Return a jail that no test has written to, with these limits."""
        if self._jail is None or not self._jail.usable or self._walls != limits.walls:
            self.leave()
            self._walls = limits.walls
            self._jail = self._sandbox.open_jail(self._kind, self._walls, self._program, self._files)
        return self._jail

    def leave(self) -> None:
        """End the jail; the next run makes a new one."""
        if self._jail is not None:
            self._jail.close()
            self._jail = None

    def close(self) -> None:
        """End the jail and forget the program."""
        self.leave()
        os.close(self._program)

    def __enter__(self) -> Self:
        """Return the program."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


class GradedProgram(Program):
    """A program that its grader must outlive: the grader's last word ends the output, and is taken off."""

    word: bytes = b""

    def read(self, raw: RawResult, files: TestFiles, limits: Limits) -> RunResult:
        """Read what a run left behind; a program that ended before its grader has failed."""
        result = super().read(raw, files, limits)
        if result.status is not RunStatus.OK:
            return result
        if not result.stdout.endswith(self.word):
            return replace(result, status=RunStatus.RUNTIME_ERROR, stderr="the program ended before its grader did")
        return replace(result, stdout=result.stdout.removesuffix(self.word))


def read_result(raw: RawResult, files: TestFiles, limits: Limits) -> RunResult:
    """Read what a run left behind and name how it ended."""
    cap = int(limits.output_mib * MIB)
    size = os.fstat(files.stdout).st_size
    stderr_size = os.fstat(files.stderr).st_size
    return RunResult(
        status=_status(raw, limits, full=max(size, stderr_size) >= cap),
        stdout=os.pread(files.stdout, min(size, cap), 0),
        stderr=os.pread(files.stderr, STDERR_BYTES, max(0, stderr_size - STDERR_BYTES)).decode(errors="replace"),
        result=os.pread(files.result, min(os.fstat(files.result).st_size, cap), 0),
        exit_code=raw.exit_code,
        signal=raw.signal,
        cpu_time_s=raw.cpu_s,
        wall_time_s=raw.wall_s,
        peak_memory_mib=raw.peak_memory_mib,
        stopped_by_wall=raw.stop is Stop.WALL,
        waited_s=raw.waited_s,
    )


def _status(raw: RawResult, limits: Limits, *, full: bool) -> RunStatus:
    """Take the verdict on resources from what was used, whatever the program made of it."""
    if raw.stop is not Stop.NONE or raw.cpu_s > limits.cpu_s or raw.signal == SIGXCPU:
        return RunStatus.TIME_LIMIT
    if raw.peak_memory_mib > limits.memory_mib:
        return RunStatus.MEMORY_LIMIT
    if full or raw.signal == SIGXFSZ:
        return RunStatus.OUTPUT_LIMIT
    return RunStatus.OK if raw.exit_code == 0 else RunStatus.RUNTIME_ERROR


def runtime_of(plan: SandboxPlan, language: str) -> str:
    """Return the version of what runs or compiles a language, for Python with the packages that programs can import."""
    if language == "cpp":
        compiler = building.cpp_compiler()
        return compiler[1] if compiler else ""
    own = plan_for(plan, language)
    if isinstance(own, str):
        return ""
    packages = ", ".join(f"{name} {number}" for name, number in package_versions(own.python).items())
    return "; ".join(filter(None, (building.version_of(own.python), packages)))


def plan_for(plan: SandboxPlan, language: str) -> SandboxPlan | str:
    """Return the plan with the interpreter that a language asks for, or why there is none."""
    return pypy_plan(plan) if language in PYPY else plan


class Runner:
    """A sandbox that compiles and runs programs. One thread uses it; close it at the end."""

    def __init__(self, tiers: Tiers = Tiers.AUTO) -> None:
        self.plan = choose_plan(str(tiers))
        self._sandbox = Sandbox(self.plan)
        self._others: dict[SandboxPlan, Sandbox] = {}
        """Of other interpreters, made when the first program asks for one."""
        self._compiled_graders: dict[Grader, str | CompileResult] = {}
        """The last one, as assembly or why there is none: the next program often has the same."""

    @property
    def tier(self) -> str:
        """The tier of the sandbox: A, B or C."""
        return str(self.plan.tier)

    def runtime(self, language: str) -> str:
        """Return the version of what runs or compiles a language."""
        return runtime_of(self.plan, language)

    def restart(self) -> None:
        """Replace the sandbox after a failure of its own."""
        self.close()
        self._sandbox = Sandbox(self.plan)

    def close(self) -> None:
        """End the sandbox."""
        for sandbox in (self._sandbox, *self._others.values()):
            sandbox.close()
        self._others.clear()

    def __enter__(self) -> Self:
        """Return the runner."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def open(
        self,
        code: str,
        language: str,
        limits: Limits,
        job: dict[str, object] | None = None,
        files: JailFiles = NO_FILES,
        grader: Grader | None = None,
    ) -> Program | RunResult:
        """Compile a program; return it, or a result that says why it cannot run.

        ``job`` is what the driver does with a Python program; default: run it with standard input and output.
        ``files`` are those of its working folder; a ``grader`` calls the functions of a program without `main`.
        """
        if grader is not None:
            return self._open_graded(code, language, limits, files, grader)
        if language == "cpp":
            compiled = (
                self._compile_cpp_call(code, str(job["function"] or ""), mappings=bool(job.get("mappings")))
                if job and job["do"] == "call"
                else self._compile_cpp(code)
            )
            return _program(self._sandbox, JailKind.BINARY, compiled, limits, files)
        if language not in PYTHONS:
            message = f"the judge runs {', '.join(PYTHONS)} and cpp, not `{language}`"
            return RunResult(RunStatus.NOT_RUN, stderr=message)
        sandbox = self._sandbox_for(language)
        if isinstance(sandbox, str):
            return RunResult(RunStatus.NOT_RUN, stderr=sandbox)
        compiled = _compile_python(sandbox, code, _with_usual_names(code, job) if job else {"do": "run"}, limits)
        return _program(sandbox, JailKind.PYTHON, compiled, limits, files)

    def _open_graded(
        self, code: str, language: str, limits: Limits, files: JailFiles, grader: Grader
    ) -> Program | RunResult:
        if language != "cpp":
            return RunResult(RunStatus.NOT_RUN, stderr=f"a grader calls functions in cpp, not in `{language}`")
        word = last_word()
        compiled = self._compile_graded(code, grader, word)
        if compiled.program is None:
            return RunResult(compiled.status, stderr=compiled.message)
        program = GradedProgram(self._sandbox, JailKind.BINARY, compiled.program, limits, files)
        program.word = word.encode()
        return program

    def _sandbox_for(self, language: str) -> Sandbox | str:
        """Return the sandbox of an interpreter, or why there is none."""
        plan = plan_for(self.plan, language)
        if isinstance(plan, str) or plan == self.plan:
            return plan if isinstance(plan, str) else self._sandbox
        if plan not in self._others:
            self._others[plan] = Sandbox(plan)
        return self._others[plan]

    def trusted(self, header: dict[str, object], source: str, limits: Limits) -> Program:
        """Return a program of the data set's own, such as a checker, in a jail of its own."""
        body = json.dumps(header).encode() + b"\n" + source.encode("utf-8", "surrogatepass")
        return Program(self._sandbox, JailKind.PYTHON, memory_file(body, name="program"), limits)

    def _compile_cpp_call(self, code: str, function: str, *, mappings: bool) -> CompileResult:
        """Compile a function with what calls it.

        Where only that fails and the problem has mappings, which do not travel, nobody can judge; for all other values there
        are types that travel, and a candidate that takes none of them has failed.
        """
        if not function.isidentifier():
            return CompileResult(None, RunStatus.NOT_RUN, f"`{function}` cannot be the name of a C++ function")
        compiled = self._compile_cpp(calling_program(code, function))
        if compiled.status is not RunStatus.COMPILE_ERROR or not names_function(code, function):
            return compiled
        if self._compile_cpp(plain_program(code)).program is None:
            return compiled
        message = f"`{function}` cannot be called with JSON values: {compiled.message}"
        return CompileResult(None, RunStatus.NOT_RUN if mappings else RunStatus.COMPILE_ERROR, message)

    def _compile_cpp(self, code: str) -> CompileResult:
        """Compile in a jail, in the first dialect that accepts it; a cache keeps the executables."""
        return self._cached(code, (), _executable)

    def _compile_graded(self, code: str, grader: Grader, word: str) -> CompileResult:
        """Compile a program and its grader apart, and link them.

        A program is compiled where nothing of the grader is: what it includes at that time could be all that is there.
        """
        if grader not in self._compiled_graders:
            self._compiled_graders = {grader: self._assembly(grader)}
        assembly = self._compiled_graders[grader]
        if isinstance(assembly, CompileResult):
            return assembly
        compiled = self._cached(code, ("-c",), _whole)
        if compiled.program is None:
            return compiled
        secret = sealed(assembly, grader.names, word).encode("utf-8", "surrogateescape")
        # the only files that a command gets are its standard ones: the output of this one is unused, and holds the object
        arguments = [*LINKED, *self._parts, "-x", "assembler", "-", "-x", "none", BESIDE]
        try:
            return self._command(arguments, secret, _executable, contents(compiled.program))
        finally:
            os.close(compiled.program)

    def _assembly(self, grader: Grader) -> str | CompileResult:
        compiled = self._first_dialect(grader.source, ("-S",), _whole)
        if compiled.program is None:
            return CompileResult(None, RunStatus.NOT_RUN, f"the grader does not compile: {compiled.message}")
        with os.fdopen(compiled.program, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")

    def _cached(self, code: str, only: tuple[str, ...], checked: Callable[[bytes], bool]) -> CompileResult:
        """Compile, or take it from the cache; ``only`` is the option that ends before linking."""
        compiler = building.cpp_compiler()
        if compiler is None:
            return CompileResult(None, RunStatus.NOT_RUN, "there is no g++; install it (Debian: apt install g++)")
        built = f"{compiler[1]}\0{building.build().folder.name}\0{' '.join([*_cpp_flags(code), *only])}"
        key = hashlib.sha256(f"{built}\0{code}".encode("utf-8", "surrogatepass"))
        cached = ProgramCache().get(key.hexdigest())
        if cached is not None:
            return CompileResult(cached)
        result = self._first_dialect(code, only, checked)
        if result.program is not None:
            ProgramCache().put(key.hexdigest(), result.program)
        return result

    def _first_dialect(self, code: str, only: tuple[str, ...], checked: Callable[[bytes], bool]) -> CompileResult:
        first: CompileResult | None = None
        for dialect in CPP_DIALECTS:
            usual = dialect == CPP_DIALECTS[0]  # the others are too rare for five seconds each
            headers = f"{self._sandbox.headers}/{building.precompiled_headers(dialect).name if usual else dialect}"
            options = [*_cpp_flags(code), f"-std={dialect}", f"-I{headers}", "-fmax-errors=3"]
            source = ["-x", "c++", "-"]
            arguments = [*options, *only, *source] if only else [*options, *LINKED, *self._parts, *source]
            result = self._command(arguments, code.encode("utf-8", "surrogatepass"), checked)
            if result.program is not None:
                return result
            first = first or result
        return first or CompileResult(None, RunStatus.NOT_RUN, "no C++ dialect is configured")

    @property
    def _parts(self) -> tuple[str, str]:
        """What is linked with every program."""
        return f"{self._sandbox.inside}/forkserver.o", f"{self._sandbox.inside}/threads.o"

    def _command(
        self, arguments: Sequence[str], source: bytes, checked: Callable[[bytes], bool], beside: bytes = b""
    ) -> CompileResult:
        """Run the compiler in a jail: ``source`` is its input, and ``beside`` lies where its output would."""
        compiler = building.cpp_compiler()
        if compiler is None:
            return CompileResult(None, RunStatus.NOT_RUN, "there is no g++; install it (Debian: apt install g++)")
        words = memory_file("\0".join([compiler[0], *arguments, "-o", "output"]).encode() + b"\0")
        limits = Limits(cpu_s=COMPILE_CPU_S, memory_mib=3072)
        jail = self._sandbox.open_jail(JailKind.COMMAND, COMPILE_LIMITS, words, JailFiles(output_name="output"))
        try:
            with test_files(source) as files:
                os.pwrite(files.stdout, beside, 0)
                raw = jail.run(files.all, cpu_s=limits.cpu_s, wall_s=limits.wall)
                done = read_result(raw, files, limits)
                output = contents(files.result)
                if done.status is RunStatus.OK and checked(output):
                    return CompileResult(memory_file(output, name="program"))
        finally:
            jail.close()
            os.close(words)
        if raw.stop is not Stop.NONE or raw.signal == SIGKILL or KILLED_COMPILER in done.stderr:
            message = f"the compiler was stopped from outside: {done.stderr.strip()[-200:] or done.status}"
            raise DisturbedError(message)
        said = hidden_removed(
            done.stderr.replace("<stdin>", "grader.cpp" if beside else "main.cpp").replace(BESIDE, "main.o")
        )
        message = said.strip() or f"the compiler ended with {done.status}"
        return CompileResult(None, RunStatus.COMPILE_ERROR, message)


def _executable(output: bytes) -> bool:
    return static_image(output).is_plain


def _whole(output: bytes) -> bool:
    return bool(output)


def _program(
    sandbox: Sandbox, kind: JailKind, compiled: CompileResult, limits: Limits, files: JailFiles
) -> Program | RunResult:
    if compiled.program is None:
        return RunResult(compiled.status, stderr=compiled.message)
    return Program(sandbox, kind, compiled.program, limits, files)


def _compile_python(sandbox: Sandbox, code: str, job: dict[str, object], limits: Limits) -> CompileResult:
    """Compile once, in a jail, to marshalled code: its tests then only load it."""
    source = memory_file(b'{"do":"compile"}\n' + code.encode("utf-8", "surrogatepass"))
    with Program(sandbox, JailKind.PYTHON, source, limits) as program:
        done = program.run(b"", replace(limits, cpu_s=max(limits.cpu_s, 10.0)))
    if done.status is not RunStatus.OK:
        last = (done.stderr.strip().splitlines() or [f"the compiler ended with {done.status}"])[-1]
        newer = newer_syntax(code, done.stderr)
        note = f"; {newer}, and {building.version_of(sandbox.plan.python)} runs here" if newer else ""
        return CompileResult(None, RunStatus.COMPILE_ERROR, last + note)
    return CompileResult(memory_file(json.dumps(job).encode() + b"\n" + done.result, name="program"))


def _cpp_flags(code: str) -> tuple[str, ...]:
    """Return what a program is compiled with."""
    traps = ONE_DIVIDED.search(COMMENTS.sub(" ", code)) is not None
    return (*building.CPP_FLAGS, KEEP_TRAPS) if traps else building.CPP_FLAGS


def run_program(
    code: str,
    language: str,
    inputs: Sequence[bytes | str],
    limits: Limits | None = None,
    *,
    runner: Runner | None = None,
) -> list[RunResult]:
    """Run a program on each input in a sandbox and return what it printed; nothing is compared.

    Parameters
    ----------
    code, language
        The program; ``python`` or ``cpp``.
    inputs
        One standard input per run.
    limits
        Default: 10 s and 256 MiB.
    runner
        A runner to reuse, where many programs are run; else a sandbox is started for this call.

    Raises
    ------
    JudgeError
        When no sandbox can be started here or it failed.
    """
    limits = limits or Limits()
    if runner is None:
        with Runner() as own:
            return run_program(code, language, inputs, limits, runner=own)
    program = runner.open(code, language, limits)
    if isinstance(program, RunResult):
        return [program for _ in inputs]
    with program:
        return [program.run(_as_bytes(each), limits) for each in inputs]


def _as_bytes(text: bytes | str) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def _with_usual_names(code: str, job: dict[str, object]) -> dict[str, object]:
    """Ask for LeetCode's predefined names where the code is a class for LeetCode; elsewhere nobody predefines any."""
    return {**job, "usual_names": SOLUTION.search(code) is not None}
