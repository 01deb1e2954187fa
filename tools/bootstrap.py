"""Make .venv, install the locked requirements into it, and hand over to a command that runs there.

    python3 tools/bootstrap.py [--port PORT --host HOST] run|test|flower|nothing [ARGUMENTS FOR .venv/bin/python ...]

Runs on whatever Python the machine has, before anything is installed. It therefore uses the standard library only and
must stay readable to old Pythons (3.6), so that these can say that they are too old.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Dict, Iterator, List, NoReturn, Optional, Tuple

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCAL = ROOT / ".local"
PYTHON = VENV / "bin" / "python"
PIP = (str(PYTHON), "-m", "pip")
STAMP = VENV / "installed.json"
RUN_LOCK = LOCAL / "run.lock"
OLDEST = (3, 11)
SETS: Dict[str, Tuple[str, ...]] = {
    "run": ("base.txt", "local.txt"),
    "test": ("base.txt", "local.txt", "dev.txt"),
    "flower": ("base.txt", "local.txt", "flower.txt"),
}
NOTHING = "nothing"  # in place of a set: the command runs on this Python as it is


def fail(message: str) -> NoReturn:
    """End with one line that says what is wrong and what to do about it."""
    sys.stdout.flush()
    sys.stderr.write("error: " + message + "\n")
    sys.exit(1)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Say what is being done while it is done, and how long it took."""
    started = time.monotonic()
    print(f"  {name + ' ...':<34}", end="", flush=True)
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f"{time.monotonic() - started:6.1f} s", flush=True)


# --- What can be wrong before anything is installed ------------------------------------------------------------------


def check_python() -> None:
    """Refuse a Python that is too old or cannot make a venv."""
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:2])
        needed = ".".join(str(part) for part in OLDEST)
        fail(
            f"Python {needed} or newer is needed, and {sys.executable} is {found}. "
            "Install one, or name it: make PYTHON=/path/to/python3.12"
        )


def check_venv_module() -> None:
    """Refuse a Python whose venv was split off (Debian and Ubuntu do that)."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        version = ".".join(str(part) for part in sys.version_info[:2])
        fail(
            f"{sys.executable} cannot make virtual environments. "
            f"On Debian or Ubuntu: apt install python3-venv (or python{version}-venv)"
        )


def check_port(host: str, text: str) -> int:
    """The port as a number, if it is one and is free; else say which one is."""
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        fail(f"PORT must be a number between 1 and 65535, not '{text}': make run PORT=8001")
    port = int(text)
    error = _bind_error(host, port)
    if error == errno.EADDRINUSE:
        free = next((p for p in range(port + 1, min(port + 200, 65535)) if _bind_error(host, p) is None), None)
        fail(f"port {port} on {host} is taken by another program. Try: make run PORT={free or '<another>'}")
    if error == errno.EACCES:
        fail(f"port {port} needs more rights than you have (below 1024 they are root's). Try: make run PORT=8000")
    return port


def _bind_error(host: str, port: int) -> Optional[int]:
    """The errno of listening there, or None. Whether the address will do is for Django's settings to say."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        return None
    with socket.socket(family, kind) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(1)
        except OSError as error:
            return error.errno
    return None


def take_run_lock(wait_s: float = 15) -> IO[str]:
    """The lock that a running `make run` holds; end with its address if someone else has it.

    Its guard (tools/guard.py) holds the lock too, until the last process of a killed run is gone, so a lock without a
    living owner is waited for.
    """
    lock = RUN_LOCK.open("a+")
    deadline = None
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = _run_owner()
            if owner is not None or (deadline is not None and time.monotonic() > deadline):
                fail(f"this checkout is running already{owner or ''}. Stop it there with Ctrl-C, or with make down.")
            if deadline is None:
                print("  The last run was killed; waiting for its processes to end.", flush=True)
                deadline = time.monotonic() + wait_s
            time.sleep(0.2)
        else:
            return lock


def _run_owner() -> Optional[str]:
    """Where the running one is, as a part of a sentence; None if its supervisor is dead."""
    try:
        owner = json.loads(RUN_LOCK.read_text(encoding="utf-8"))
        os.kill(owner["pid"], 0)
    except (ValueError, KeyError, ProcessLookupError):
        return None
    except PermissionError:
        pass
    return f" at {owner['url']} (process {owner['pid']})"


# --- Installing ------------------------------------------------------------------------------------------------------


def ensure_venv() -> None:
    """Make .venv unless a usable one is there."""
    probe = f"import sys, pip; sys.exit(sys.version_info < {OLDEST})"
    if PYTHON.exists() and _run([str(PYTHON), "-c", probe]) is None:
        return
    check_venv_module()
    with step(f"Making .venv (Python {sys.version_info[0]}.{sys.version_info[1]})"):
        output = _run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    if output is not None:
        fail("making .venv failed:\n" + output)


def install(locks: Tuple[str, ...]) -> None:
    """Install the locked requirements unless the stamp says that they are there."""
    wanted = {name: hashlib.sha256((ROOT / "requirements" / name).read_bytes()).hexdigest() for name in locks}
    installed = _read_stamp()
    if all(installed.get(name) == digest for name, digest in wanted.items()):
        return
    arguments = ["install", "--require-hashes"]
    for name in locks:
        arguments += ["-r", str(ROOT / "requirements" / name)]
    uv = _get_uv()
    if uv is not None:
        with step("Installing packages (uv)"):
            output = _run([uv, "pip", *arguments, "--python", str(PYTHON)])
        if output is not None:
            print("  uv could not install them; pip tries, and takes longer.", flush=True)
    if uv is None or output is not None:
        with step("Installing packages (pip)"):
            output = _run([*PIP, *arguments])
    if output is not None:
        fail(_install_failure(output, "uv and pip" if uv else "pip"))
    STAMP.write_text(json.dumps({**installed, **wanted}), encoding="utf-8")


def _get_uv() -> Optional[str]:
    """uv from the venv, put there by pip; None where it cannot be had. It is faster, and needed for nothing."""
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        lock = str(ROOT / "requirements" / "uv.txt")
        with step("Getting uv"):
            output = _run([*PIP, "install", "--retries", "1", "--timeout", "15", "--require-hashes", "-r", lock])
        if output is not None:
            print("  uv cannot be had; pip will do, and takes longer.", flush=True)
            return None
    return str(uv)


def _install_failure(output: str, tried: str) -> str:
    lowered = output.lower()
    offline = ("connection", "resolution", "network", "unreachable", "timed out", "no matching distribution", "dns")
    lines = output.strip().splitlines() or ["(nothing)"]
    if any(word in lowered for word in offline):
        return (
            f"the packages could not be downloaded (tried {tried}). Check the network; behind a proxy set HTTPS_PROXY, "
            "with a mirror set PIP_INDEX_URL and UV_DEFAULT_INDEX; then run the same command again. The last word was: "
            f"{lines[-1].strip()}"
        )
    return "\n    ".join([f"installing the packages failed (tried {tried}):", *lines[-8:]])


def _read_stamp() -> Dict[str, str]:
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def _run(command: List[str]) -> Optional[str]:
    """Run quietly; None if it went well, else its output."""
    # uv trusts the certificates that it brings along, pip those of the machine, where a company may have added its own.
    environment = {"UV_SYSTEM_CERTS": "true", **os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    except OSError as error:
        return str(error)
    return None if done.returncode == 0 else done.stdout.decode(errors="replace")


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two `make`s in one checkout must not install at the same time."""
    with (LOCAL / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prepare(set_name: str) -> None:
    """Everything that the given set of commands needs, installed."""
    try:
        LOCAL.mkdir(mode=0o700, exist_ok=True)
        with one_at_a_time():
            ensure_venv()
            install(SETS[set_name])
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            fail(f"cannot write to {error.filename or ROOT}: the checkout must be yours to write in.")
        if error.errno == errno.ENOSPC:
            fail(f"the disk is full: {VENV} needs about 600 MB.")
        raise


def main(arguments: List[str]) -> None:
    check_python()
    if arguments[:1] == ["--port"]:
        port, host, arguments = arguments[1], arguments[3], arguments[4:]
        if LOCAL.is_dir() and os.access(str(LOCAL), os.W_OK):
            take_run_lock().close()
        check_port(host, port)
    python = sys.executable
    if arguments[0] != NOTHING:
        prepare(arguments[0])
        python = str(PYTHON)
    if arguments[1:]:
        os.chdir(str(ROOT))
        os.execv(python, [python, *arguments[1:]])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
