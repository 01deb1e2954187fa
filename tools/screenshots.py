"""Pictures of every main page, on a desk and on a phone, in the light and in the dark.

    python -m tools.screenshots [--port 8000] [--into .local/screenshots] [--only campaign,brand]

With a demo at the port, of that demo as it is. Else of a demo of its own, which it fills with sample data and two
imports, and takes away again. It needs a Chromium: the one that BROWSER names, else the first installed.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tools.bootstrap import LOCAL, ROOT, step
from tools.environment import for_demo, sqlite_url

SIZES: dict[str, ViewportSize] = {
    "desk": {"width": 1400, "height": 900},
    "phone": {"width": 390, "height": 844},
}
CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DETAILS = ("spend", "spendimport", "schedule", "override", "statechange", "run", "user", "apitoken", "pacedcampaign")
FORMS = ("brand", "campaign", "spend", "spendimport")


def pages(page: Page, address: str) -> dict[str, str]:
    """What is shown, by name: each place that the sidebar leads to, forms, and one thing of each kind to look into."""
    found = {"login": "/admin/login/"}
    page.goto(f"{address}/admin/", wait_until="networkidle")
    places = page.eval_on_selector_all(
        "#nav-sidebar a[href]", "links => links.map(link => new URL(link.href).pathname)"
    )
    found["overview"] = "/admin/"
    for place in dict.fromkeys(places):
        if place.startswith("/admin/") and place != "/admin/":
            found[f"list-{_name(place)}"] = place
    for name in FORMS:
        place = next((path for path in found.values() if path.endswith(f"/{name}/")), None)
        if place:
            found[f"add-{name}"] = f"{place}add/"
    for name in DETAILS:
        place = next((path for path in found.values() if path.endswith(f"/{name}/")), None)
        if place and (first := _first_of(page, address, place)):
            found[name] = first
    for hold in ("DAILY_BUDGET_EXCEEDED", "OUTSIDE_SCHEDULE"):
        if campaign := _first(f"{address}/api/campaigns/?hold={hold}"):
            found[f"campaign-{hold.split('_')[0].lower()}"] = f"/admin/campaigns/campaign/{campaign['id']}/change/"
            found.setdefault("brand", f"/admin/brands/brand/{campaign['brand']}/change/")
    found["api"] = "/api/docs/"
    return found


def _name(place: str) -> str:
    return place.rstrip("/").rsplit("/", 1)[-1]


def _first_of(page: Page, address: str, place: str) -> str | None:
    page.goto(f"{address}{place}", wait_until="networkidle")
    links = page.eval_on_selector_all(
        "#result_list a[href], .result-list a[href]", "links => links.map(link => new URL(link.href).pathname)"
    )
    return next((link for link in links if link.startswith(place) and link != place), None)


def _first(url: str) -> dict[str, str] | None:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - the demo on this machine
        results = json.load(answer)["results"]
    return results[0] if results else None


def take(browser: Browser, address: str, into: Path, only: Sequence[str]) -> int:
    """Log in as the demo's user and take a picture of each page in each size and theme; how many there are."""
    taken = 0
    shown: dict[str, str] = {}
    for size, viewport in SIZES.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport=viewport, color_scheme=scheme)
            page = context.new_page()
            page.goto(f"{address}/admin/login/")
            page.fill("input[name=username]", "admin")
            page.fill("input[name=password]", "admin123")
            page.press("input[name=password]", "Enter")
            page.wait_for_load_state("networkidle")
            shown = shown or pages(page, address)
            for name, path in shown.items():
                if only and name not in only:
                    continue
                page.goto(f"{address}{path}", wait_until="networkidle")
                page.screenshot(path=into / f"{name}-{size}-{scheme}.png", full_page=True)
                taken += 1
            context.close()
    return taken


@contextmanager
def own_demo() -> Iterator[str]:
    """A demo with sample data in a folder of its own, at a free port; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {**os.environ, **for_demo("127.0.0.1"), "REDIS_URL": "memory://"}
        environment["DATABASE_URL"] = sqlite_url(Path(folder) / "demo.sqlite3")
        for words, command in (
            ("Preparing a database", ["migrate", "--no-input"]),
            ("Making sample data", ["setup_demo"]),
            ("Looking at every campaign", ["enforce_dayparting"]),
            ("Looking at the pace", ["pace", "--check"]),
        ):
            with step(words):
                subprocess.run(
                    [sys.executable, "manage.py", *command],
                    check=True,
                    cwd=ROOT,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                )
        web = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "budget_system.wsgi:application", "--bind", f"127.0.0.1:{port}",
             "--workers", "2", "--no-control-socket", "--log-level", "warning"],
            cwd=ROOT, env=environment,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            with step("Starting the pages"):
                _wait(address)
            yield address
        finally:
            web.terminate()
            web.wait(30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/admin/login/", timeout=10):  # noqa: S310 - on this machine
            return True
    except OSError:
        return False


def _wait(address: str) -> None:
    for _ in range(300):
        if answers(address):
            return
        time.sleep(0.1)
    raise SystemExit(f"error: nothing answers at {address}")


@contextmanager
def _demo(port: int) -> Iterator[str]:
    address = f"http://127.0.0.1:{port}"
    if answers(address):
        yield address
    else:
        with own_demo() as own:
            yield own


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--into", type=Path, default=LOCAL / "screenshots")
    parser.add_argument("--only", default="", help="Names of pages, separated by commas.")
    chosen = parser.parse_args(arguments)
    chromium = os.environ.get("BROWSER") or next(filter(None, map(shutil.which, CANDIDATES)), None)
    if chromium is None:
        sys.stderr.write("error: there is no Chromium here. Install one, or name it: BROWSER=/path/to/chromium.\n")
        return 1
    chosen.into.mkdir(parents=True, exist_ok=True)
    with _demo(chosen.port) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        with step("Taking pictures"):
            taken = take(browser, address, chosen.into, [name for name in chosen.only.split(",") if name])
        browser.close()
    print(f"{taken} pictures in {chosen.into}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
