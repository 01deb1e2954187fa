"""What the documents say of the rules is what the code does."""

import re
from pathlib import Path

import pytest

from access.roles import ROLES, Role
from campaigns.holds import PRECEDENCE

ROOT = Path(__file__).resolve().parents[2]


def test_pseudocode_names_the_holds_in_their_order() -> None:
    section = (ROOT / "PSEUDOCODE.md").read_text(encoding="utf-8").split("## Holds, in order of precedence")[1]
    listed = section.split("```")[1].split()

    assert listed == [hold.value for hold in PRECEDENCE]


def test_semantics_explains_each_hold_in_order() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert rows == [hold.value for hold in PRECEDENCE]


@pytest.mark.parametrize(
    "document", sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", path.read_text(encoding="utf-8"))

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 200


def test_the_table_of_roles_is_what_the_roles_hold() -> None:
    text = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
    held: dict[Role, set[str]] = {role: set() for role in Role}

    for line in text.split("| what | permissions |")[1].split("\n\n")[0].splitlines()[2:]:
        _, _, names, *marks, _ = (cell.strip() for cell in line.split("|"))
        for role, mark in zip(Role, marks, strict=True):
            held[role] |= set(re.findall(r"`([^`]+)`", names)) if mark == "yes" else set()

    assert held == {role: set(names) for role, names in ROLES.items()}
