"""One data set over several runs and a real connection, while everything around the teacher changes; each answer is paid once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ocr_pipeline.counts import StageCounts
from ocr_pipeline.errors import TeacherError
from ocr_pipeline.teacher.generate import generate
from ocr_pipeline.teacher.options import GenerateConfig
from ocr_pipeline.teacher.servers import attach
from tests.teacher import world as tw

MODEL = "house/teacher"
ALIAS = "house/teacher-2026-11-26"


class Gateway:
    """A server whose account, context and names change, and which counts what it was paid for."""

    def __init__(self) -> None:
        self.credit = 10**6
        self.context = 4_096
        self.answers_as = MODEL
        self.paid: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self._lock = threading.Lock()

    def models(self) -> tuple[int, dict[str, Any]]:
        """Return the model list."""
        return 200, {"data": [{"id": MODEL, "max_model_len": self.context}]}

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the reply to a request."""
        prompt = body["messages"][0]["content"]
        with self._lock:
            status, message = self._refusal(prompt)
            if status:
                self.refused[status] += 1
                return status, {"error": {"message": message}}
            self.credit -= 1
            self.paid[f"{prompt}#{body['seed']}"] += 1
        told = {"role": "assistant", "content": "print(1)", "reasoning_content": "Double."}
        return 200, {"model": self.answers_as, "choices": [{"message": told, "finish_reason": "stop"}]}

    def _refusal(self, prompt: str) -> tuple[int, str]:
        if self.credit <= 0:
            return 402, "Insufficient Balance"
        if len(prompt) > self.context:
            return 400, f"This model's maximum context length is {self.context} tokens"
        return 0, ""


@pytest.fixture
def gateway() -> Iterator[tuple[Gateway, str]]:
    """Serve a gateway on the loopback."""
    served = Gateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(*served.models())

        def do_POST(self) -> None:
            self._send(*served.answer(json.loads(self.rfile.read(int(self.headers["content-length"])))))

        def _send(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield served, f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


def test_a_run_that_meets_an_empty_account_another_context_and_another_name_is_resumed(
    gateway: tuple[Gateway, str], tmp_path: Path
) -> None:
    """In the end every problem is answered, and the server was paid once for each."""
    served, url = gateway
    rows = tw.problems(12)
    for number in (9, 11):
        rows[number]["statement"] += " long" * 500

    def run(**changes: Any) -> tuple[StageCounts, list[dict[str, Any]]]:
        kept = tw.Rows()
        settings = {
            "model": MODEL,
            "language": "python",
            "samples": 1,
            "window": 2,
            "max_tokens": 512,
            "patience_s": 5.0,
        }
        config = GenerateConfig(**(settings | changes))
        with attach([url]) as server:
            counts = generate(
                tw.batches(rows), config=config, server=server, ledger=tmp_path, dataset="toy", writer=kept
            )
        return counts, kept.list()

    served.credit, served.context = 3, 10_000
    counts, found = run()
    assert (counts.kept, counts.dropped) == (3, {"account": 9})
    assert not any(row["is_final"] for row in found if row["error"])

    served.credit, served.context = 10**6, 2_048  # paid in; started again with a smaller context
    counts, found = run()
    too_long = [row["problem_id"] for row in found if row["error"]]
    assert (counts.kept, counts.dropped) == (10, {"prompt_too_long": 2})
    assert too_long == [rows[9]["problem_id"], rows[11]["problem_id"]]
    assert all(row["is_final"] for row in found if row["error"])
    refusals = served.refused[400]
    assert run()[0].notes["paid"] == 0
    assert served.refused[400] == refusals, "what is too long for this context is not asked again"

    served.context, served.answers_as = 10_000, ALIAS  # a larger one, behind a gateway that renames the model
    with pytest.raises(TeacherError, match=f"--accept-model {ALIAS}"):
        run()
    counts, found = run(accept_models=(ALIAS,))
    assert counts.kept == len(rows)
    assert {row["text"] for row in found} == {"<think>\nDouble.\n</think>\n\nprint(1)"}
    assert len(served.paid) == len(rows)
    assert set(served.paid.values()) == {1}, "each answer was paid once"
