"""A hub on loopback: the few endpoints that the client calls to make a data set, commit to it, tag it and read it back."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_test"


class Hub(ThreadingHTTPServer):
    """What is stored, and what was refused."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.blobs: dict[str, bytes] = {}
        self.commits: dict[str, dict[str, bytes]] = {}
        self.head = ""
        self.listed: str | None = None
        """Head that the server tells instead of its own, as if somebody commits right after."""
        self.repos: dict[str, bool] = {}
        """Whether each is private."""
        self.tags: dict[str, str] = {}
        self.refuses = ""
        """What the server answers to a commit instead of making it."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        """Serve until the end of the block."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Make a repository, prepare an upload, commit, tag."""
        path, body = unquote(urlsplit(self.path).path), self._body()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer({"error": "Invalid username or password."}, HTTPStatus.UNAUTHORIZED)
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            modes = [("lfs" if each["path"].endswith(".parquet") else "regular", each["path"]) for each in files]
            self._answer({"files": [{"path": name, "uploadMode": mode, "shouldIgnore": False} for mode, name in modes]})
        elif path.endswith("/info/lfs/objects/batch"):
            self._batch(json.loads(body)["objects"])
        elif "/commit/" in path:
            self._commit(body)
        elif "/tag/" in path:
            name = json.loads(body)["tag"]
            if name in self.server.tags:
                self._answer({"error": "Tag exists"}, HTTPStatus.CONFLICT)
            else:
                self.server.tags[name] = path.rpartition("/")[2]
                self._answer({})
        else:
            self._answer({"error": path}, HTTPStatus.NOT_FOUND)

    def do_PUT(self) -> None:
        """Take the content of a large file."""
        body = self._body()
        self.server.blobs[hashlib.sha256(body).hexdigest()] = body
        self._answer({})

    def do_GET(self) -> None:
        """Give references, a revision, or a file."""
        path = unquote(urlsplit(self.path).path)
        if path.endswith("/refs"):
            tags = [
                {"name": name, "ref": f"refs/tags/{name}", "targetCommit": of} for name, of in self.server.tags.items()
            ]
            head = self.server.head if self.server.listed is None else self.server.listed
            branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": head}] if head else []
            self._answer({"branches": branches, "converts": [], "tags": tags})
        elif "/tree/" in path:
            files = self.server.commits.get(self.server.head, {})
            self._answer([{"type": "file", "path": name, "size": len(files[name]), "oid": name} for name in files])
        elif "/resolve/" in path:
            _, _, rest = path.partition("/resolve/")
            revision, _, name = rest.partition("/")
            commit = self.server.tags.get(revision, revision)
            content = self.server.commits[commit][name]
            headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
            self._send(content, HTTPStatus.OK, headers)
        else:
            self._answer({"id": "me/problems", "sha": self.server.head, "siblings": []})

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def _create(self, body: dict[str, Any]) -> None:
        repo = f"{body['organization']}/{body['name']}" if body.get("organization") else body["name"]
        known = repo in self.server.repos
        self.server.repos.setdefault(repo, body.get("visibility") == "private" or bool(body.get("private")))
        answer = {"url": f"{self.server.url}/datasets/{repo}", "name": repo}
        self._answer(answer, HTTPStatus.CONFLICT if known else HTTPStatus.OK)

    def _batch(self, objects: list[dict[str, Any]]) -> None:
        answers = [
            {**each, "actions": {"upload": {"href": f"{self.server.url}/lfs/{each['oid']}", "header": {}}}}
            for each in objects
        ]
        self._answer({"transfer": "basic", "objects": answers})

    def _commit(self, body: bytes) -> None:
        if self.server.refuses:
            self._answer({"error": self.server.refuses}, HTTPStatus.FORBIDDEN)
            return
        files = dict(self.server.commits.get(self.server.head, {}))
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header" and value.get("parentCommit", self.server.head) != self.server.head:
                self._answer({"error": "A commit has happened since."}, HTTPStatus.PRECONDITION_FAILED)
                return
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        self.server.head = hashlib.sha1(body, usedforsecurity=False).hexdigest()
        self.server.commits[self.server.head] = files
        url = f"{self.server.url}/datasets/{next(iter(self.server.repos))}/commit/{self.server.head}"
        self._answer({"commitUrl": url, "commitOid": self.server.head})

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, value: object, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json"})

    def _send(self, content: bytes, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
