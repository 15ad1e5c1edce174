"""A student behind an OpenAI-compatible server on this machine, as vLLM would serve its folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ocr_pipeline.student.generation import LocalStudent, Sampling
from ocr_pipeline.student.rows import Task


@contextmanager
def served(folder: Path, name: str) -> Iterator[str]:
    """Serve the weights of a folder under a name; yields the base URL."""
    student, lock = LocalStudent(folder), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

        def do_GET(self) -> None:
            """List the one model."""
            self._send({"object": "list", "data": [{"id": name, "object": "model"}]})

        def do_POST(self) -> None:
            """Complete a chat of one turn."""
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sampling = Sampling(asked["temperature"], asked["top_p"], asked["max_tokens"], asked["seed"])
            prompt = asked["messages"][-1]["content"]
            with lock:
                [[found]] = student.complete([prompt], task=Task.CODE, n=1, sampling=sampling)
            message = {"role": "assistant", "content": found.text}
            usage = {"prompt_tokens": 1, "completion_tokens": found.tokens, "total_tokens": found.tokens + 1}
            choice = {"index": 0, "message": message, "finish_reason": found.finish_reason}
            self._send(
                {"id": "x", "object": "chat.completion", "created": 1, "model": name}
                | {"choices": [choice], "usage": usage}
            )

        def _send(self, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
