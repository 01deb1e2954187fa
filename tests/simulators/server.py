"""The web server that simulators share: it listens on this machine only, keeps what it was asked, and misbehaves."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from platforms.protocol import Connection
from tests.simulators.world import SimAccount, World


class Request(NamedTuple):
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes

    def json(self) -> dict[str, Any]:
        """An empty object where the body is none."""
        with suppress(ValueError):
            read = json.loads(self.body)
            if isinstance(read, dict):
                return read
        return {}

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


class Reply(NamedTuple):
    status: int = 200
    data: object = None
    """Sent as JSON, unless there is a `body`."""
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Simulator:
    """One platform's interface to the world."""

    platform = ""
    paths: tuple[str, ...] = ()
    """What its addresses begin with."""

    def __init__(self, world: World, here: Callable[[], str]) -> None:
        self.world = world
        self.here = here
        """The server's own address."""
        self.tokens: dict[str, str] = {}
        """The credential for which each access token was given."""
        self.given = 0

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError

    def throttled(self, wait_s: int) -> Reply:
        raise NotImplementedError

    def broken(self) -> Reply:
        return Reply(500, {"message": "something went wrong"})

    def signs_in(self, request: Request) -> bool:
        """Whether this asks for an access token: such calls are spared the faults."""
        return False

    def give_token(self, credential: str) -> str:
        self.given += 1
        token = f"secret-access-{self.given}-{credential[-20:]}"
        self.tokens[token] = credential
        return token

    def end_tokens(self) -> None:
        """All access tokens end before their time."""
        self.tokens.clear()

    def accounts(self) -> list[SimAccount]:
        return [account for account in self.world.accounts.values() if account.platform == self.platform]


class Server:
    """Simulators at one address. Use it in a `with`, or `start` and `stop` it."""

    def __init__(self, world: World, *kinds: type[Simulator], port: int = 0) -> None:
        self.world = world
        self.simulators = {kind.platform: kind(world, lambda: self.base_url) for kind in kinds}
        self.requests: list[Request] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with suppress(ConnectionError):
                    super().handle_one_request()

            def do_GET(self) -> None:
                server._handle(self)

            do_POST = do_PUT = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: tests look at `requests`."""

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    def calls(self, part: str) -> list[Request]:
        """What was asked at addresses with `part` in them, oldest first."""
        return [request for request in self.requests if part in request.path]

    def connection(
        self, account_id: str, keep: Callable[[Mapping[str, str]], None] = lambda credentials: None
    ) -> Connection:
        """How to reach an account of the world here."""
        return Connection(account_id, dict(self.world.accounts[account_id].credentials), keep, self.base_url)

    # --- Answering ---------------------------------------------------------------------------------------------------

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(handler.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
        with self.world.lock:
            self.requests.append(request)
            slow_s = self.world.faults.slow_s
            reply = self._reply(request)
            cut = reply.status == 200 and self._befalls("cut", request)
        if slow_s:
            time.sleep(slow_s)
        data = reply.body or json.dumps(reply.data).encode()
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2] if cut else data)
        handler.close_connection = True

    def _reply(self, request: Request) -> Reply:
        simulator = self._simulator(request)
        if simulator is None:
            return Reply(404, {"error": "nothing here"})
        if self._befalls("throttled", request):
            return simulator.throttled(self.world.faults.retry_after_s)
        if self._befalls("broken", request):
            return simulator.broken()
        if self._befalls("garbled", request):
            return Reply(body=b"<html>We will be back soon</html>")
        if self._befalls("strange", request):
            return Reply(data={"results": 7, "data": 7, "Campaigns": 7, "ReportRequestStatus": 7})
        return simulator.answer(request)

    def _befalls(self, fault: str, request: Request) -> bool:
        simulator = self._simulator(request)
        left: int = getattr(self.world.faults, fault)
        if left <= 0 or simulator is None or simulator.signs_in(request):
            return False
        setattr(self.world.faults, fault, left - 1)
        return True

    def _simulator(self, request: Request) -> Simulator | None:
        found = (one for one in self.simulators.values() if request.path.startswith(one.paths))
        return next(found, None)
