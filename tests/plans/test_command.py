"""The command ``plan``: from files to plans and training rows, with the recorded teacher."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ocr_pipeline import cli
from ocr_pipeline.teacher.servers import Replay

CODE = "first, second = map(int, input().split())\nprint(first * second)\n"
PLAN = "1. Read the two numbers.\n2. Multiply them and print the product."


def recording(match: list[str], text: str) -> dict[str, object]:
    """Build one recorded answer."""
    return {
        "match": match,
        "sample_index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
        "stop_reason": None,
        "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
        "created": 1_767_225_600,
        "processing_ms": 1,
    }


def files(folder: Path, *recordings: dict[str, object]) -> list[str]:
    """Write a problem, its solution and a recorded teacher; return the arguments that name the first two."""
    lines = "".join(json.dumps(line) + "\n" for line in recordings)
    (folder / "recordings.jsonl").write_text(lines, encoding="utf-8")
    problem = {"problem_id": "p", "statement": "Print the product.", "io_mode": "stdin"}
    solution = {"problem_id": "p", "solution_id": "0", "language": "python", "code": CODE, "is_correct": True}
    pq.write_table(pa.Table.from_pylist([problem]), folder / "problems.parquet")
    pq.write_table(pa.Table.from_pylist([solution]), folder / "solutions.parquet")
    return [str(folder / "problems.parquet"), "--solutions", str(folder / "solutions.parquet")]


@pytest.mark.parametrize(("word", "verdict"), [("AGREES", "kept"), ("DISAGREES", "judged_disagreeing")])
def test_a_judge_model_on_the_server_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str, verdict: str
) -> None:
    """The judge goes through the same client, server and ledger as the teacher, and its word decides."""
    given = files(
        tmp_path, recording(["solution plan", CODE.strip()], PLAN), recording(["Compare the two", PLAN], word)
    )
    with Replay(tmp_path / "recordings.jsonl", strict=True) as server:
        options = ["--url", server.urls[0], "--model", server.model, "--opinion-model", server.model]
        arguments = ["ocr-pipeline", "plan", *given, *options, "--out", str(tmp_path / "out"), "--json"]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["plans"]["notes"]["no_opinion"] == 0
    [row] = pq.read_table(tmp_path / "out" / "plans.parquet").to_pylist()
    assert row["verdict"] == verdict


def test_plan_writes_plans_and_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One recorded plan becomes one kept row, one plan row and one code row; asking again pays nothing."""
    given = files(tmp_path, recording(["solution plan", "print(first * second)"], PLAN))
    with Replay(tmp_path / "recordings.jsonl", strict=True) as server:
        arguments = [*given, "--url", server.urls[0], "--model", server.model, "--out", str(tmp_path / "out"), "--json"]
        accounts = []
        for _ in range(2):
            monkeypatch.setattr(sys, "argv", ["ocr-pipeline", "plan", *arguments])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            assert ended.value.code == 0
            accounts.append(json.loads(capsys.readouterr().out)["plans"]["notes"])
    assert [(notes["asked"], notes["reused"]) for notes in accounts] == [(1, 0), (0, 1)]
    [row] = pq.read_table(tmp_path / "out" / "plans.parquet").to_pylist()
    assert (row["verdict"], row["plan"], row["solution_id"]) == ("kept", PLAN, "0")
    rows = pq.read_table(tmp_path / "out" / "plan_sft_dataset.parquet").to_pylist()
    assert {row["task"]: row["completion"] for row in rows} == {"code": CODE.strip(), "plan": PLAN}
