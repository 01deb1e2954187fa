"""Pictures of the main pages of a running demo, on a desk and on a phone, in the light and in the dark.

    python -m tools.screenshots [--port 8000] [--into .local/screenshots]

`make run` and `make demo-data` come first. It needs a Chromium; the one that BROWSER names, else the first installed.
"""

import argparse
import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, sync_playwright

from tools.bootstrap import LOCAL

SIZES: dict[str, ViewportSize] = {
    "desk": {"width": 1400, "height": 900},
    "phone": {"width": 390, "height": 844},
}
CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def pages(address: str) -> dict[str, str]:
    """What is shown: the lists, and the brand and the campaign that have a story to tell."""
    paused = _first(f"{address}/api/campaigns/?hold=DAILY_BUDGET_EXCEEDED") or _first(f"{address}/api/campaigns/")
    found = {
        "overview": "/admin/",
        "brands": "/admin/brands/brand/",
        "campaigns": "/admin/campaigns/campaign/",
        "spends": "/admin/spending/spend/",
        "imports": "/admin/spending/spendimport/add/",
        "audit": "/admin/brands/auditentry/",
        "api": "/api/docs/",
    }
    if paused is not None:
        found["campaign"] = f"/admin/campaigns/campaign/{paused['id']}/change/"
        found["brand"] = f"/admin/brands/brand/{paused['brand']}/change/"
    return found


def _first(url: str) -> dict[str, str] | None:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - the demo on this machine
        results = json.load(answer)["results"]
    return results[0] if results else None


def take(browser: Browser, address: str, into: Path) -> int:
    """Log in as the demo's user and take a picture of each page in each size and theme; how many there are."""
    taken = 0
    for size, viewport in SIZES.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport=viewport, color_scheme=scheme)
            page = context.new_page()
            page.goto(f"{address}/admin/login/")
            page.fill("input[name=username]", "admin")
            page.fill("input[name=password]", "admin123")
            page.press("input[name=password]", "Enter")
            page.wait_for_load_state("networkidle")
            for name, path in pages(address).items():
                page.goto(f"{address}{path}", wait_until="networkidle")
                page.screenshot(path=into / f"{name}-{size}-{scheme}.png", full_page=size == "desk")
                taken += 1
            context.close()
    return taken


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--into", type=Path, default=LOCAL / "screenshots")
    chosen = parser.parse_args(arguments)
    chromium = os.environ.get("BROWSER") or next(filter(None, map(shutil.which, CANDIDATES)), None)
    if chromium is None:
        sys.stderr.write("error: there is no Chromium here. Install one, or name it: BROWSER=/path/to/chromium.\n")
        return 1
    address = f"http://127.0.0.1:{chosen.port}"
    chosen.into.mkdir(parents=True, exist_ok=True)
    try:
        pages(address)
    except OSError as error:
        sys.stderr.write(f"error: nothing answers at {address} ({error}). Start it: make run, then make demo-data.\n")
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        taken = take(browser, address, chosen.into)
        browser.close()
    print(f"{taken} pictures in {chosen.into}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
