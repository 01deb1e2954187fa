"""What the system is made of and what lies in its tree: packages with known flaws, secrets."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.figures import Figure
from tools import audit

ROOT = Path(__file__).resolve().parents[2]

SECRETS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a key of AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{60,}",
    "a token of GitLab": r"\bglpat-[\w-]{20}\b",
    "a token of Slack": r"\bxox[abprs]-[\w-]{10,}",
    "a key of Google": r"\bAIza[\w-]{35}\b",
    "a key of Stripe": r"\b[sr]k_live_\w{20,}",
    "a token of PyPI": r"\bpypi-[\w-]{60,}",
    "a JSON web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "a token of ours": r"\bbs_[\w-]{43,}",
    "a URL with a password": r"\b(?:postgres(?:ql)?|rediss?|amqp|https?|smtps?)://[^\s:/@\"'{}$<>]*:[^\s/@\"'{}$<>]+@",
}
PLACEHOLDERS = {"password", "secret", "abc", "hunter2", "p", "AKIAIOSFODNN7EXAMPLE"}
"""What stands for a secret in examples and tests; the last one does in the documents of AWS."""


def found_in(text: str) -> list[str]:
    found = []
    for what, pattern in SECRETS.items():
        for match in re.finditer(pattern, text):
            if match.group().rstrip("@").rsplit(":", 1)[-1] not in PLACEHOLDERS:
                found.append(f"{what}: {match.group()[:24]}…")
    return found


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.slow
@pytest.mark.need(8)
def test_no_secret_lies_in_the_tree(figure: Figure) -> None:
    files = tracked()
    found = {
        str(path.relative_to(ROOT)): secrets
        for path in files
        if (secrets := found_in(path.read_text(encoding="utf-8", errors="replace")))
    }

    figure(f"{len(files)} files, {len(SECRETS)} kinds of secrets, found {sum(map(len, found.values()))}")
    assert len(files) > 300
    assert found == {}


@pytest.mark.need(8)
@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "AKIA" + "IOSFODNN7EXAMPLF",
        "ghp_" + "a1B2" * 9,
        "xoxb-" + "1234567890-abc",
        "bs_" + "Ab3-" * 11,
        "DATABASE_URL=postgres://" + "budget:c0rrect-horse@db/budget",
    ],
)
def test_a_secret_would_be_found(text: str) -> None:
    assert found_in(f"x = '{text}'")


def said(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


@pytest.mark.need(24)
@pytest.mark.parametrize(
    ("answer", "audited", "result"),
    [
        (said({"name": "a", "version": "1", "vulns": []}, {"name": "b", "version": "2", "vulns": []}), 2, 0),
        (said({"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "not found"}), 1, audit.NOT_ALL),
        (said({"name": "a", "version": "1", "vulns": []}), 1, audit.NOT_ALL),
        (said(), 0, audit.NOT_ALL),
        ("", 0, audit.NOT_ALL),
        ("No known vulnerabilities found", 0, audit.NOT_ALL),
        (
            said({"name": "a", "version": "1", "vulns": [{"id": "X-1"}]}, {"name": "b", "skip_reason": "not found"}),
            1,
            audit.FLAWS,
        ),
    ],
)
def test_an_audit_passes_only_if_every_package_was_looked_up(answer: str, audited: int, result: int) -> None:
    told = audit.read("base.txt", 2, answer)

    assert told.audited == audited
    assert audit.verdict([told]) == result


@pytest.mark.need(24)
def test_every_package_of_every_lock_is_pinned_with_hashes(figure: Figure) -> None:
    locks = sorted(audit.LOCKS.glob("*.txt"))
    counts = {}
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        blocks = [block for block in re.split(r"\n(?=[A-Za-z0-9])", text) if "==" in block.split("\n")[0]]
        counts[lock.name] = (len(blocks), sum("--hash=sha256:" in block for block in blocks), audit.count(lock))

    figure(
        f"packages locked: {', '.join(f'{name} {number}' for name, (number, _, _) in counts.items())}; without hash 0"
    )
    assert counts
    assert all(blocks == hashed == counted > 0 for blocks, hashed, counted in counts.values())
