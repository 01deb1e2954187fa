"""A real gunicorn with the test's database, as production starts it, for what one process cannot show."""

import http.client
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.processes import environment, wait_until
from tools.processes import ProcessGroup, stop


class Web:
    def __init__(self, port: int, log: Path, pid: int) -> None:
        self.port = port
        self.log = log
        self.pid = pid

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    def get_often(self, path: str, times: int, at_once: int = 4) -> None:
        """So many requests, some of them at the same time."""
        threads = [
            threading.Thread(target=lambda: [self.get(path) for _ in range(times // at_once)]) for _ in range(at_once)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def answers(self) -> bool:
        try:
            return self.get("/healthz/live")[0] == 200
        except OSError:
            return False

    def says(self, words: str) -> int:
        return self.log.read_text(errors="replace").count(words)


@contextmanager
def serving(directory: Path, workers: int = 1, **more: str) -> Iterator[Web]:
    """It serves within the block. `more`: of its environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = directory / "web.log"
    command = [sys.executable, "-m", "gunicorn", "budget_system.wsgi:application", "--bind", f"127.0.0.1:{port}"]
    with ProcessGroup() as group, log.open("wb") as output:
        process = group.start(
            [*command, "--workers", str(workers), "--no-control-socket"],
            environment=environment(LOG_LEVEL="INFO", LOG_FORMAT="json", **more),
            output=output,
        )
        web = Web(port, log, process.pid)
        wait_until(lambda: web.answers() or process.poll() is not None, "gunicorn answers")
        assert process.poll() is None, log.read_text()
        yield web
        stop(process)
