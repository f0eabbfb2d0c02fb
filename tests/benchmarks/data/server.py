"""A server on loopback that does what a test tells it, also what no server should do."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers by path: the answers of a path are given in turn, the last one for ever.

    Attributes:
        url: its address, without a slash at the end.
        asked: path and Range header of every request.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, str | None]] = []
        self._answers: dict[str, list[Answer]] = defaultdict(list)

    def give(self, path: str, *answers: Answer) -> str:
        """Set the answers of a path, and return its address."""
        self._answers[path] = list(answers)
        return self.url + path

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append((handler.path, handler.headers.get("Range")))
        waiting = self._answers[handler.path]
        if not waiting:
            handler.send_error(404)
        else:
            (waiting.pop(0) if len(waiting) > 1 else waiting[0])(handler)


@contextmanager
def serving() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):  # the client may have left
                server.answer(self)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def send(
    content: bytes,
    *,
    status: int = 200,
    length: int | None = None,
    ranges: bool = True,
    until: int | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Answer:
    """The content, or the part of it that is asked for.

    Args:
        content: the whole file.
        status: of the answer.
        length: what is said to be the length, instead of the truth; negative: nothing is said.
        ranges: whether parts may be asked for.
        until: send no more than so many bytes of the file, and hang up.
        headers: further ones.
    """

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and ranges else 0
        if start >= len(content) > 0:
            handler.send_error(416)
            return
        handler.send_response(206 if start else status)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        said = len(content) - start if length is None else length
        if said >= 0:
            handler.send_header("Content-Length", str(said))
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content[start:until])

    return answer


def fail(status: int) -> Answer:
    return lambda handler: handler.send_error(status)


def redirect(url: str) -> Answer:
    return send(b"", status=302, ranges=False, headers=(("Location", url),))
