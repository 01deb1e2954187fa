"""Known flaws of the packages that are locked: python -m tools.audit [LOCK ...]

pip-audit says “no known vulnerabilities” also where it could ask about none of them, so what it was told is counted:
the exit code is 0 only if every package was looked up and none has a known flaw; 1 for flaws, 2 where some were not
looked up.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tools.bootstrap import ROOT

LOCKS = ROOT / "requirements"
FLAWS, NOT_ALL = 1, 2


@dataclass
class Audit:
    """What is known of one lock's packages."""

    lock: str
    total: int
    audited: int = 0
    flaws: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)


def count(lock: Path) -> int:
    """How many packages the lock has."""
    return len(re.findall(r"^[A-Za-z0-9][\w.-]*==", lock.read_text(encoding="utf-8"), re.MULTILINE))


def read(lock: str, total: int, said: str) -> Audit:
    """pip-audit's JSON; what it left out, or did not say at all, was not audited."""
    audit = Audit(lock, total)
    try:
        found = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        audit.unasked.append("pip-audit gave no answer")
        return audit
    for package in found:
        if "skip_reason" in package:
            audit.unasked.append(package["skip_reason"])
            continue
        audit.audited += 1
        audit.flaws += [f"{package['name']} {package['version']}: {flaw['id']}" for flaw in package.get("vulns", [])]
    return audit


def ask(lock: Path) -> Audit:
    command = [
        sys.executable, "-m", "pip_audit", "-r", str(lock), "--disable-pip", "--require-hashes", "--format", "json",
        "--progress-spinner", "off",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    audit = read(lock.name, count(lock), done.stdout)
    if not done.stdout.strip():
        audit.unasked += done.stderr.strip().splitlines()[-1:]
    return audit


def verdict(audits: list[Audit]) -> int:
    if any(audit.flaws for audit in audits):
        return FLAWS
    return NOT_ALL if any(audit.audited != audit.total for audit in audits) else 0


def main(arguments: list[str]) -> int:
    locks = [Path(name) for name in arguments] or sorted(LOCKS.glob("*.txt"))
    audits = [ask(lock) for lock in locks]
    for audit in audits:
        print(f"{audit.lock:<14}{audit.audited:>4} of {audit.total} audited, known flaws: {len(audit.flaws)}")
        for line in [*audit.flaws, *audit.unasked[:2]]:
            print(f"    {line}")
    result = verdict(audits)
    if result == NOT_ALL:
        print(
            "Not every package was looked up. This is not a clean bill: ask again where the advisories can be reached."
        )
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
