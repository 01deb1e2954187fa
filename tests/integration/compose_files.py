"""docker-compose.yml as compose would read it: variables filled in, files merged, and the context of the build."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
BASE, PRODUCTION = ROOT / "docker-compose.yml", ROOT / "docker-compose.prod.yml"
REPLACED = {"command", "entrypoint", "test"}
"""Lists that a later file replaces; others are appended to."""

Service = dict[str, Any]


def stack(variables: Mapping[str, str], *files: Path) -> dict[str, Any]:
    """What the files come to together."""
    merged: dict[str, Any] = {}
    for file in files:
        merged = merge(merged, filled(yaml.safe_load(file.read_text(encoding="utf-8")), variables))
    return merged


def filled(value: Any, variables: Mapping[str, str]) -> Any:
    """${NAME:-default} and ${NAME:?why} filled in, $$ made $."""
    if isinstance(value, dict):
        return {key: filled(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, variables) for one in value]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if value := variables.get(match["name"]):
            return value
        if match["sign"] == "?":
            raise KeyError(f"{match['name']}: {match['rest']}")
        return match["rest"]

    return re.sub(r"(?P<dollar>\$\$)|\$\{(?P<name>\w+):(?P<sign>[-?])(?P<rest>[^}]*)\}", fill, value)


def merge(below: Any, above: Any, key: str = "") -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {
            name: merge(below[name], above[name], name) if name in below and name in above else {**below, **above}[name]
            for name in {**below, **above}
        }
    if isinstance(below, list) and isinstance(above, list) and key not in REPLACED:
        return [*below, *above]
    return above


def copy_context(target: Path) -> None:
    """What `COPY . .` copies: all that .dockerignore takes in again after its first line has left out everything."""
    first, *rest = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert first == "*"
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in (line[1:] for line in rest if line.startswith("!")):
        source, place = ROOT / name, target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, ignore=ignored)
        else:
            shutil.copy2(source, place)
