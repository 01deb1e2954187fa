"""A receiver of webhooks on this machine: it keeps what comes, and answers as it is told to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Headers = dict[str, str]


class Got(NamedTuple):
    id: str
    type: str
    body: str
    headers: Headers
    at: float

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.body)["data"]
        return data


class Reply(NamedTuple):
    status: int = 204
    headers: Headers = {}
    wait_s: float = 0.0
    body: bytes = b""


class Receiver:
    """`got` is what has come. `answer` says what to answer; 204 unless told otherwise."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answer: Callable[[Got], Reply] = lambda got: Reply()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                got = Got(headers["webhook-id"], json.loads(body)["type"], body, headers, time.monotonic())
                receiver.got.append(got)
                reply = receiver.answer(got)
                time.sleep(reply.wait_s)
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST

            def log_message(self, *args: Any) -> None:
                """Nothing is printed."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A caller that does not wait for its answer is what some tests are about."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    @property
    def ids(self) -> list[str]:
        return [got.id for got in self.got]


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """It answers in a thread while the block runs."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    with serving(receiver.server):
        yield receiver
