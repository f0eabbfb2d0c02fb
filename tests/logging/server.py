"""A stand-in for the W&B server on the loopback interface, which can be made to fail."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Takes runs as the real server does, as far as wandb asks for.

    Attributes:
        fails: whether it answers everything with status 500.
        history: the rows that it was sent for each run, in its order.
        exits: the exit code of each run that ended.
        starts: what it was told of each run.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fails = False
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.exits: dict[str, int] = {}
        self.starts: dict[str, dict[str, Any]] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """What is asked in GraphQL."""
        if "upsertBucket" in query:
            self.starts.setdefault(variables["name"], {}).update(
                {key: value for key, value in variables.items() if value is not None}
            )
            bucket = self.bucket(variables["name"])
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "bucket(" in query:
            begun = self.history.get(variables["name"])
            bucket = self.bucket(variables["name"]) if begun else None
            return {"model": {**PROJECT, "bucket": bucket}}
        if "createRunFiles" in query:
            files = [{"name": n, "uploadUrl": f"{self.address}/{n}"} for n in variables["files"]]
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
        viewer = {"id": "1", "username": "me", "entity": "me", "flags": "{}"}
        return {
            "viewer": {**viewer, "teams": {"edges": []}},
            "serverInfo": {"features": [], "cliVersionInfo": {}, "latestLocalVersionInfo": None},
        }

    def bucket(self, name: str) -> dict[str, Any]:
        rows = self.history.get(name, [])
        return {
            "id": "1",
            "name": name,
            "displayName": name,
            "description": "",
            "notes": None,
            "tags": [],
            "config": "{}",
            "wandbConfig": '{"t": 1}',
            "sweepName": None,
            "project": PROJECT,
            "summaryMetrics": json.dumps({name: v for row in rows for name, v in row.items()}),
            "historyLineCount": len(rows),
            "historyTail": json.dumps([json.dumps(row) for row in rows[-1:]]),
            "eventsLineCount": 0,
            "eventsTail": "[]",
            "logLineCount": 0,
        }

    def take(self, name: str, stream: dict[str, Any]) -> None:
        """What comes of a run while it is running."""
        rows = self.history.setdefault(name, [])
        sent = stream.get("files", {}).get("wandb-history.jsonl")
        if sent is not None:
            rows[sent["offset"] :] = [json.loads(row) for row in sent["content"]]
        if stream.get("complete"):
            self.exits[name] = stream["exitcode"]


KEY = 40 * "a"
PROJECT = {"id": "1", "name": "Avalanche", "entity": {"id": "1", "name": "me"}}


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        answer: dict[str, Any] = {}
        if self.path == "/graphql":
            asked = json.loads(body)
            answer = {"data": self.server.answer(asked["query"], asked.get("variables") or {})}
        elif self.path.endswith("/file_stream") and not self.server.fails:
            self.server.take(self.path.split("/")[-2], json.loads(body))
        content = json.dumps(answer).encode()
        self.send_response(500 if self.server.fails else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST  # noqa: N815 - the base class's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server for as long as it is needed."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
