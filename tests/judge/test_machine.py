"""Nobody is blamed for the machine: kills from outside, no core, broken caches, full disks, low limits."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from ocr_pipeline.errors import JudgeError
from ocr_pipeline.judge import JudgeConfig, Limits, Reason, Runner, RunStatus, Verdict, probe, programs
from ocr_pipeline.judge.checkpoint import Checkpoint
from ocr_pipeline.judge.gate import Gate
from ocr_pipeline.judge.programs import Program
from ocr_pipeline.judge.sandbox import DisturbedError, building
from ocr_pipeline.judge.sandbox.jails import WORK_PREFIX
from ocr_pipeline.judge.verdicts import Candidate, Execution, ProblemSpec, Test, judge_candidate

BUSY = "n = int(input())\ntotal = 0\nfor i in range(n): total += i & 7\nprint(n)"
SLOW_COMPILE = (
    "#include <bits/stdc++.h>\ntemplate <int N> struct F { static constexpr int v = F<N - 1>::v + F<N - 2>::v % 7; };\n"
    "template <> struct F<0> { static constexpr int v = 0; };\ntemplate <> struct F<1> { static constexpr int v = 1; };\n"
    '#include <regex>\nint main() { std::regex r("a+b"); std::cout << std::regex_match("aab", r) + F<600>::v * 0; }\n'
)
needs_gxx = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount and to act as another user")


@pytest.fixture
def runner() -> Iterator[Runner]:
    """Return a sandbox of the test's own."""
    with Runner() as opened:
        yield opened


def template(runner: Runner) -> psutil.Process:
    """Return the sandbox's template process."""
    return psutil.Process(runner._sandbox._process.pid)


@contextmanager
def killing(runner: Runner, times: int, is_victim: Callable[[psutil.Process], bool]) -> Iterator[list[int]]:
    """Kill processes of the sandbox from outside, as the kernel does when memory is short."""
    done = threading.Event()
    killed: list[int] = []

    def watch() -> None:
        while not done.is_set() and len(killed) < times:
            with suppress(psutil.Error):
                for process in template(runner).children(recursive=True):
                    if process.pid not in killed and len(killed) < times and is_victim(process):
                        process.send_signal(signal.SIGKILL)
                        killed.append(process.pid)
            time.sleep(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        done.set()
        thread.join()


def works(process: psutil.Process) -> bool:
    """Whether it is a test's process that has begun to work."""
    parent = process.parent()
    return parent is not None and parent.ppid() != os.getpid() and process.cpu_times().user > 0.15


def judged(runner: Runner, gate: Gate, code: str, given: str) -> Execution:
    """Judge a program whose answer is what it is given."""
    problem = ProblemSpec("p", time_limit_s=2.0)
    return judge_candidate(runner, problem, [Test("0", given, given)], Candidate("python", code), JudgeConfig(), gate)


def test_a_kill_from_outside_is_tried_again(runner: Runner, gate: Gate) -> None:
    """An honest program that somebody killed is judged by its second run."""
    with killing(runner, 1, works) as killed:
        execution = judged(runner, gate, BUSY, "6000000")
    assert len(killed) == 1
    assert execution.verdict is Verdict.ACCEPTED, execution


def test_a_program_that_is_always_killed_is_not_run(runner: Runner, gate: Gate) -> None:
    """It is never a run-time error: no program can send itself this signal."""
    with killing(runner, 100, works) as killed:
        execution = judged(runner, gate, BUSY, "6000000")
    assert len(killed) > 2
    assert (execution.verdict, execution.reason) == (Verdict.NOT_RUN, Reason.INFRASTRUCTURE), execution
    assert "killed from outside" in (execution.detail or "")


@needs_gxx
def test_a_killed_compiler_is_tried_again(runner: Runner, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not a compile error."""
    monkeypatch.setattr("ocr_pipeline.judge.programs.ProgramCache.get", lambda *_: None)
    with killing(runner, 1, lambda process: process.name() == "cc1plus") as killed:
        execution = judge_candidate(
            runner, ProblemSpec("p"), [Test("0", "", "1")], Candidate("cpp", SLOW_COMPILE), JudgeConfig(), gate
        )
    assert len(killed) == 1
    assert execution.verdict is Verdict.ACCEPTED, execution


@contextmanager
def starving(runner: Runner) -> Iterator[None]:
    """Leave the sandbox some percent of one core: a hog of normal priority runs there, it has the lowest one."""
    core = min(os.sched_getaffinity(0))
    hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        psutil.Process(hog.pid).cpu_affinity([core])
        for process in (template(runner), *template(runner).children(recursive=True)):
            process.cpu_affinity([core])
            process.nice(19)
        yield
    finally:
        hog.kill()
        hog.wait()


def opened(runner: Runner, code: str) -> Program:
    """Compile a program and start its jail."""
    program = runner.open(code, "python", Limits())
    assert isinstance(program, Program), program
    return program


@pytest.mark.slow
def test_a_program_that_waits_for_a_core_is_not_stopped_by_the_clock(runner: Runner) -> None:
    """It has used less than a tenth of the time, but it was never asleep: it goes on until it is done."""
    with opened(runner, BUSY) as program:
        program.run(b"1", Limits(wall_s=1.0))  # which opens the jail
        with starving(runner):
            run = program.run(b"600000", Limits(wall_s=1.0))
    assert run.status is RunStatus.OK
    assert (run.wall_time_s or 0.0) > 1.0
    assert (run.cpu_time_s or 0.0) < 0.1 * (run.wall_time_s or 0.0)


@pytest.mark.slow
def test_a_program_that_never_gets_a_core_is_nobodys_failure(runner: Runner) -> None:
    """Past ten times the clock's limit it is stopped, and it is not a time limit."""
    with opened(runner, BUSY) as program:
        program.run(b"1", Limits(wall_s=0.4))
        with starving(runner), pytest.raises(DisturbedError, match="no core"):
            program.run(b"100000000", Limits(cpu_s=10.0, wall_s=0.4))


@pytest.mark.slow
def test_a_sleeper_is_a_sleeper_on_a_busy_machine_too(runner: Runner) -> None:
    """It neither works nor waits for a core."""
    with opened(runner, "import time\ntime.sleep(1000)") as program:
        program.run(b"", Limits(wall_s=0.1))
        with starving(runner):
            run = program.run(b"", Limits(wall_s=2.0))
    assert run.status is RunStatus.TIME_LIMIT
    assert run.stopped_by_wall


@needs_gxx
@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: data[:-1] + b"\xff", lambda _: b""]
)
def test_a_cut_executable_in_the_cache_is_made_anew(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    """Never a run-time error of its program; afterwards it is whole."""
    monkeypatch.setattr(programs, "ProgramCache", partial(programs.ProgramCache, tmp_path / "programs"))
    code = '#include <cstdio>\nint main() { std::puts("6"); }\n'
    for _ in range(2):
        program = runner.open(code, "cpp", Limits())
        assert isinstance(program, Program), program
        with program:
            assert program.run(b"", Limits()).stdout == b"6\n"
        (kept,) = (tmp_path / "programs").iterdir()
        whole = kept.read_bytes()
        kept.write_bytes(damage(whole))
    with runner.open(code, "cpp", Limits()) as program:  # type: ignore[union-attr]
        assert program.run(b"", Limits()).stdout == b"6\n"
    assert kept.read_bytes() == whole


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """Mount a small disk."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False)
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@needs_root
def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    """Of the checkpoint: what was stored stays."""
    execution = Execution(Verdict.ACCEPTED, 1, detail="x" * 20_000)
    with small_disk(tmp_path / "disk", "size=400k") as disk:
        store = Checkpoint(disk)

        def fill() -> None:
            for number in range(100):
                store.put(str(number), execution)

        with pytest.raises(JudgeError, match=r"checkpoint .* cannot be used: .*full.*make room"):
            fill()
        assert store.get("0") == execution
        store.close()


@needs_root
def test_a_full_folder_for_temporary_files_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox says where it has no place."""
    probe()  # which is kept for the life of the process
    with small_disk(tmp_path / "disk", "size=100k,nr_inodes=2") as disk:
        (disk / "last").touch()
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        with pytest.raises(JudgeError, match=r"no place in .*make room, or set TMPDIR"):
            Runner()


@needs_root
@pytest.mark.parametrize("what", ["noexec", "foreign", "open to others"])
def test_a_cache_that_others_can_change_or_nobody_may_load_from_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The next place is taken; where there is none, one line says what to do."""
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spare))
    with small_disk(tmp_path / "disk", "size=1m,noexec" if what == "noexec" else "size=1m,mode=755") as disk:
        if what != "noexec":
            (disk / "ocr_pipeline").mkdir()
            os.chown(disk / "ocr_pipeline", 65_534 if what == "foreign" else 0, -1)
            (disk / "ocr_pipeline").chmod(0o777 if what == "open to others" else 0o755)
        monkeypatch.setenv("XDG_CACHE_HOME", str(disk))
        assert building.cache_folder() == spare / "cache-0" / "ocr_pipeline" / "judge"
        os.chown(spare / "cache-0", 65_534, -1)
        with pytest.raises(JudgeError, match=r"no cache folder can be used .*XDG_CACHE_HOME"):
            building.cache_folder()


@pytest.mark.parametrize(
    ("limit", "hard"),
    [(resource.RLIMIT_NOFILE, 200), (resource.RLIMIT_FSIZE, 1 << 20), (resource.RLIMIT_STACK, 64 << 20)],
    ids=["descriptors", "file size", "stack"],
)
def test_hard_limits_that_are_too_low_are_one_clear_line(limit: int, hard: int) -> None:
    """Nothing is judged under limits that would be the program's failure."""
    code = (
        "import resource, sys\nfrom ocr_pipeline.errors import JudgeError\nfrom ocr_pipeline.judge import probe, run_program\n"
        f"probe()\nresource.setrlimit({limit}, ({hard}, {hard}))\n"
        "try: print(run_program('print(6)', 'python', [''])[0])\nexcept JudgeError as error: print('JudgeError', error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("JudgeError"), done.stdout + done.stderr
    assert "ulimit -H" in done.stdout


def test_a_killed_supervisor_leaves_no_folder(tmp_path: Path) -> None:
    """In tier A the sandbox needs its folder only until it has its own root."""
    code = (
        "import os\nfrom ocr_pipeline.judge import Runner, run_program\nrunner = Runner()\n"
        "print(run_program('print(6)', 'python', [''], runner=runner)[0].status, runner.tier, flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if done.stdout.split() != ["ok", "A"]:
        pytest.skip(f"tier A does not work here: {done.stdout}")
    assert list(tmp_path.glob(f"{WORK_PREFIX}*")) == []


@pytest.mark.parametrize("state", ["locked", "abandoned", "half removed", "just made"])
def test_folders_of_dead_sandboxes_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """Those of living ones stay, and one that is being made is left alone."""
    probe()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"{WORK_PREFIX}other"
    (folder / "root").mkdir(parents=True)
    held = os.open(folder / "lock", os.O_CREAT | os.O_RDWR) if state in {"locked", "abandoned"} else None
    if held is not None and state == "locked":
        fcntl.flock(held, fcntl.LOCK_EX)
    if state == "half removed":
        os.utime(folder, (0, 0))
    Runner().close()
    assert folder.exists() is (state in {"locked", "just made"})
    if held is not None:
        os.close(held)
