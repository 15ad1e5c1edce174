"""The commands as a new user tries them: the whole way, and everything one can get wrong."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import pytest

from ocr_pipeline.cli import main
from ocr_pipeline.teacher.servers import Replay


def ocr(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in this process: the same door, without a start of Python for each call."""
    out, err = io.StringIO(), io.StringIO()
    command = ["ocr-pipeline", *map(str, arguments)]
    with (
        mock.patch.object(sys, "argv", command),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return subprocess.CompletedProcess(command, int(end.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the address of a replay of the bundled recordings."""
    with Replay() as server:
        yield server.urls[0]


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    """Return two problems with nothing but what is needed."""
    path = tmp_path / "problems.jsonl"
    path.write_text(
        "".join(json.dumps({"problem_id": f"toy/{n}", "statement": f"Problem {n} {{x}}"}) + "\n" for n in range(2))
    )
    return path


def generate(problems: Path, url: str, out: Path, *more: object) -> subprocess.CompletedProcess[str]:
    """Generate with the usual options."""
    options = ("--language", "python", "--url", url, "--model", "replay/sample", "--samples", 1, "--out", out)
    return ocr("generate", problems, *options, *more)


def test_generate_resumes_by_itself_and_the_ledger_travels(problems: Path, url: str, tmp_path: Path) -> None:
    """Forecast, rows, counts; again: nothing paid and the same bytes; export and merge into a new place: nothing paid."""
    first = generate(problems, url, tmp_path / "out", "--samples", 3, "--json")
    assert first.returncode == 0, first.stderr
    assert "to ask 6 requests" in first.stderr
    assert json.loads(first.stdout)["kept"] == 6
    before = (tmp_path / "out" / "responses.parquet").read_bytes()
    again = json.loads(generate(problems, url, tmp_path / "out", "--samples", 3, "--json").stdout)
    assert (again["notes"]["paid"], again["notes"]["reused"]) == (0, 6)
    assert (tmp_path / "out" / "responses.parquet").read_bytes() == before
    assert "6 answers, 0 failures" in ocr("ledger", "inspect", tmp_path / "out" / "ledger").stdout
    assert ocr("ledger", "export", tmp_path / "out" / "ledger", "--out", tmp_path / "e.jsonl").returncode == 0
    moved = tmp_path / "new" / "ledger" / "problems-python.sqlite"
    assert "6 new records" in ocr("ledger", "merge", tmp_path / "e.jsonl", "--into", moved).stdout
    third = json.loads(generate(problems, url, tmp_path / "new", "--samples", 3, "--json").stdout)
    assert third["notes"]["paid"] == 0
    assert pq.read_table(tmp_path / "new" / "responses.parquet").num_rows == 6


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """Return the message of a failed command, which is one line."""
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    return [line for line in result.stderr.splitlines() if line.startswith("ocr-pipeline: ")][-1]


def test_an_unknown_model_is_named_with_those_there_are(problems: Path, url: str, tmp_path: Path) -> None:
    """And nothing is written."""
    result = ocr("generate", problems, "--language", "python", "--url", url, "--model", "r1", "--out", tmp_path / "o")
    assert "serves replay/sample, not `r1`; give one of these as --model" in one_line(result)
    assert not (tmp_path / "o").exists()


def test_an_unreachable_host_is_said_so(problems: Path, tmp_path: Path) -> None:
    """With the address."""
    line = one_line(generate(problems, "http://127.0.0.1:9", tmp_path / "o"))
    assert "the teacher at `http://127.0.0.1:9/v1` cannot be reached" in line


def test_a_missing_key_is_said_so(problems: Path, url: str, tmp_path: Path) -> None:
    """With the variable."""
    assert "`NO_KEY` holds no key" in one_line(generate(problems, url, tmp_path / "o", "--api-key-env", "NO_KEY"))


def test_a_folder_that_cannot_be_written_is_said_so(problems: Path, url: str, tmp_path: Path) -> None:
    """A file stands where the folder should be: this also fails for root."""
    (tmp_path / "file").write_text("x")
    assert "cannot be written" in one_line(generate(problems, url, tmp_path / "file" / "out"))


AS_ORDINARY_USER = """
import os, sys
from ocr_pipeline.cli import main

def generate(*more):
    sys.argv = ["ocr-pipeline", "generate", *asked, *more]
    try:
        main()
    except SystemExit as end:
        return end.code or 0

folder, *asked = sys.argv[1:]
assert generate("--out", folder + "/written") == 0
if os.getuid() == 0:  # what was imported by now needs no permission any more
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
sys.stderr.write("-- out\\n")
assert generate("--out", folder + "/closed/out") == 1
sys.stderr.write("-- ledger\\n")
assert generate("--out", folder + "/open", "--ledger", folder + "/closed") == 1
sys.stderr.write("-- written\\n")
assert generate("--out", folder + "/open", "--ledger", folder + "/written/ledger") == 1
"""


def test_what_an_ordinary_user_may_not_write_is_said_so(problems: Path, url: str, tmp_path: Path) -> None:
    """A closed folder for the rows, for a new ledger, and a ledger of somebody else: one line each, nothing is changed."""
    for name, mode in (("closed", 0o555), ("open", 0o777)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    for parent in [tmp_path, *tmp_path.parents][:3]:
        parent.chmod(parent.stat().st_mode | 0o555)
    options = [str(problems), "--language", "python", "--url", url, "--model", "replay/sample"]
    run = subprocess.run(
        [sys.executable, "-c", AS_ORDINARY_USER, str(tmp_path), *options], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    told = [part.splitlines() for part in run.stderr.split("-- ")[1:]]
    errors = {lines[0]: [line for line in lines if line.startswith("ocr-pipeline: ")] for lines in told}
    assert [len(lines) for lines in errors.values()] == [1, 1, 1]
    assert all("cannot be written" in line and "check" in line for (line,) in errors.values()), errors
    assert not list((tmp_path / "closed").iterdir())


def test_a_missing_file_of_problems_is_said_so(url: str, tmp_path: Path) -> None:
    """With the path."""
    assert "none.parquet` does not exist" in one_line(generate(tmp_path / "none.parquet", url, tmp_path / "o"))


def test_an_old_ledger_is_said_so(problems: Path, url: str, tmp_path: Path) -> None:
    """And left as it is."""
    import sqlite3

    path = tmp_path / "out" / "ledger" / "problems-python.sqlite"
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE answers (x); PRAGMA user_version = 0;")
    connection.close()
    assert "has schema 0, this version reads 1" in one_line(generate(problems, url, tmp_path / "out"))


def test_wrong_usage_has_its_own_exit_code(problems: Path, url: str, tmp_path: Path) -> None:
    """2, with the option."""
    assert generate(problems, url, tmp_path / "o", "--extra", "[1]").returncode == 2
    assert generate(problems, url, tmp_path / "o", "--samples", "0").returncode == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 3 MiB, or skip where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_stops_cleanly_and_keeps_what_was_paid(small_disk: Path, tmp_path: Path) -> None:
    """One line; what was in flight is kept too; with more space it goes on and pays for nothing twice."""
    problems = tmp_path / "problems.jsonl"
    problems.write_text(
        "".join(json.dumps({"problem_id": f"p{n:04}", "statement": f"Problem {n}"}) + "\n" for n in range(600))
    )
    recordings = tmp_path / "recordings.jsonl"
    noise = [os.urandom(6000).hex() for _ in range(7)]
    recordings.write_text(
        "".join(
            json.dumps({"match": ["Problem"], "sample_index": n, "message": {"role": "assistant", "content": text}})
            + "\n"
            for n, text in enumerate(noise)
        )
    )
    with Replay(recordings) as server:
        url = server.urls[0]
        where = ("--ledger", small_disk / "ledger", "--window", 8)
        line = one_line(generate(problems, url, tmp_path / "out", *where))
        assert "the disk is full: free space, then run again; everything committed before is safe" in line
        assert not (tmp_path / "out" / "responses.parquet").exists()
        kept = int(
            ocr("ledger", "inspect", small_disk / "ledger", "--json").stdout.split('"answers": ')[1].split(",")[0]
        )
        assert kept > 100
        asked = answers_of(url)
        assert asked == kept, "every answer that was paid for is in the ledger"
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        counts = json.loads(generate(problems, url, tmp_path / "out", *where, "--json").stdout)
        assert (counts["kept"], counts["notes"]["reused"], counts["notes"]["paid"]) == (600, kept, 600 - kept)


def answers_of(url: str) -> int:
    """Return how many answers the replay has sent."""
    import urllib.request

    with urllib.request.urlopen(url.replace("/v1", "/metrics"), timeout=10) as reply:  # noqa: S310 - our own server
        lines = reply.read().decode().splitlines()
    return int(next(line for line in lines if '"answers"' in line).rsplit(" ", 1)[1])


def test_the_command_goes_by_rounds_too(problems: Path, url: str, tmp_path: Path) -> None:
    """A problem that was solved gets no more samples; one that was not gets another round."""
    assert generate(problems, url, tmp_path / "out").returncode == 0
    asked = [{"sample_id": str(n), "problem_id": f"toy/{n}", "language": "python"} for n in range(2)]
    judged = [one | {"verdict": verdict} for one, verdict in zip(asked, ("accepted", "wrong_answer"), strict=True)]
    for name, rows in (("samples", asked), ("executions", judged)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ("--judged-samples", tmp_path / "samples.jsonl", "--executions", tmp_path / "executions.jsonl")
    done = generate(problems, url, tmp_path / "out", "--enough-accepted", 1, *given, "--json")
    assert done.returncode == 0, done.stderr
    assert "to ask 1 requests; 2 are in the ledger" in done.stderr


def test_dry_run_asks_nothing(problems: Path, url: str, tmp_path: Path) -> None:
    """Forecast and cost are printed, and nothing is written."""
    done = generate(problems, url, tmp_path / "out", "--dry-run", "--prompt-price", 1, "--completion-price", 2)
    assert (done.returncode, (tmp_path / "out" / "responses.parquet").exists()) == (0, False)
    assert "to ask 2 requests" in done.stderr
    assert "expected cost" in done.stderr


def test_too_many_failures_are_not_a_success(problems: Path, tmp_path: Path) -> None:
    """Above the allowed share the command ends with 1 and says what the first failure of each kind was."""
    with Replay(strict=True) as server:
        done = generate(problems, server.urls[0], tmp_path / "out")
        allowed = generate(problems, server.urls[0], tmp_path / "out", "--max-failed-share", 1)
    assert (done.returncode, allowed.returncode) == (1, 0)
    assert "first failure: bad_request" in done.stderr


def test_what_a_cap_left_unasked_is_not_a_failure(problems: Path, url: str, tmp_path: Path) -> None:
    """A cap ends the command well, however much it leaves; the rest are rows with their reason."""
    done = generate(problems, url, tmp_path / "out", "--samples", 4, "--max-requests", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["dropped"] == {"budget": 7}


def test_failures_are_forgotten_by_kind(problems: Path, tmp_path: Path) -> None:
    """`ledger forget` tells how many failures it removed."""
    with Replay(faults="wrong_model:1.0") as server:
        generate(problems, server.urls[0], tmp_path / "out")
    done = ocr("ledger", "forget", tmp_path / "out" / "ledger", "--error", "wrong_model")
    assert "2 failures forgotten" in done.stdout
