"""The dashboard, the alert rules and the handbook speak of metrics, sections and kinds that there are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from budget_system import clock, traffic
from budget_system.metrics import exposition

ROOT = Path(__file__).resolve().parents[2]
HANDBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
FOREIGN = {"up"}


@pytest.fixture
def kinds(db: None) -> dict[str, str]:
    """Our metrics, and the type of each."""
    traffic.REQUESTS.labels("a view", "GET", 200).inc(0)
    found = text_string_to_metric_families(exposition(clock.now()).decode())
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type
        for family in found
        if family.name.startswith("budget_")
    }
    return {name: kind for name, kind in names.items() if not name.endswith("_created")}


def series(kinds: dict[str, str]) -> set[str]:
    ends = {"histogram": ("_bucket", "_count", "_sum")}
    return {name + end for name, kind in kinds.items() for end in ends.get(kind, ("",))}


def named(expression: str) -> set[str]:
    """The metrics in an expression: what stands before `{`, `[`, an operator or the end, and is no function."""
    without_labels = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without)\s*\([^)]*\)", "", expression)
    words = set(re.findall(r"\b([a-z_]+)\b(?!\s*\()", without_labels))
    return words - {"by", "le", "or", "view"}


def expressions() -> Iterator[tuple[str, str]]:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "budget-system.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


def rules() -> list[dict[str, Any]]:
    text = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    [group] = yaml.safe_load(text)["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def test_every_expression_asks_for_metrics_that_there_are(kinds: dict[str, str]) -> None:
    asked = list(expressions())

    unknown = {(where, name) for where, text in asked for name in named(text) - series(kinds) - FOREIGN}

    assert len(asked) > 40
    assert all(named(text) for _, text in asked)
    assert unknown == set()


def test_the_dashboard_shows_every_metric(kinds: dict[str, str]) -> None:
    shown = {name for _, text in expressions() for name in named(text)}

    hidden = {name for name, kind in kinds.items() if kind != "histogram" and name not in shown}

    assert hidden == set()


def test_the_handbook_has_a_line_for_every_metric_and_for_no_other(kinds: dict[str, str]) -> None:
    explained = re.findall(r"^\| `(budget_\w+)` \|", HANDBOOK, re.MULTILINE)

    assert sorted(explained) == sorted(kinds)


def test_every_alert_leads_to_a_section_of_the_runbook() -> None:
    sections = {f"docs/operations.md#{anchor(title)}" for title in re.findall(r"^### (.+)$", HANDBOOK, re.MULTILINE)}

    led_to = {rule["annotations"]["runbook"] for rule in rules()}

    assert led_to == sections


def test_names_follow_the_conventions(kinds: dict[str, str]) -> None:
    for name, kind in kinds.items():
        assert name.startswith("budget_")
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(ms|minutes|hours|percent)(_|$)", name), name


def test_prometheus_reads_the_rules_and_the_path_that_there_are() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))

    [job] = config["scrape_configs"]

    assert [(ROOT / "deploy" / "prometheus" / name).is_file() for name in config["rule_files"]] == [True]
    assert (job["metrics_path"], job["job_name"]) == ("/metrics", "budget-system")
    assert all("job=" not in rule["expr"] or 'job="budget-system"' in rule["expr"] for rule in rules())
