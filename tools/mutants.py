"""Break the rules one at a time, and see that a test fails each time.

    python -m tools.mutants [WORD ...]

Each mutant is one change of a line on which money or time depends: a dropped lock, `>` for `>=`, a forgotten time zone,
a swallowed error, an unguarded upsert. It is made in a copy of the tracked files; the tests named with it run there,
on a temporary PostgreSQL, up to the first failure. A mutant that no test notices survives, and the command fails.
With words, only mutants whose names contain one of them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tools.bootstrap import ROOT
from tools.environment import for_tests
from tools.processes import UnableToStart
from tools.servers import end_on_sigterm, temporary_servers

LIMIT_S = 240
"""A mutant on which the tests hang is noticed too."""
NO_TESTS = 5  # pytest's exit code


class Mutant(NamedTuple):
    """What is broken, and the tests that must notice."""

    name: str
    file: str
    old: str
    """Occurs once in the file."""
    new: str
    tests: str


RACES = "tests/integration/test_races.py"
RESERVATIONS = "tests/integration/test_reservations.py"
RESERVATION_RACES = "tests/integration/test_reservation_races.py"
DECISION = "tests/unit/test_decision.py"
PACING = "tests/integration/test_pacing.py"
STEPS = "tests/unit/test_platform_steps.py"
PLATFORMS = "tests/integration/test_platforms.py"
DELIVERY = "tests/integration/test_delivery.py"
ALERTS = "tests/integration/test_alerts.py"

MUTANTS = (
    # Locks
    Mutant(
        "brands are not locked by sweeps and changes", "brands/services.py",
        'suffix = f"{FOR_NO_KEY_UPDATE} OF b" if is_postgres() else ""', 'suffix = ""', RACES,
    ),
    Mutant(
        "the brand is not locked before money is set aside", "campaigns/services.py",
        'return _brand_of(campaign_id, FOR_NO_KEY_UPDATE if is_postgres() else "")', "return _brand_of(campaign_id)",
        RESERVATION_RACES,
    ),
    Mutant(
        "the brands of a batch are not locked", "campaigns/services.py",
        'suffix = f"{FOR_NO_KEY_UPDATE} OF b" if is_postgres() else ""', 'suffix = ""', RACES,
    ),
    Mutant(
        "the brands of a batch are locked in no order", "campaigns/services.py",
        "ORDER BY b.id {suffix}", "ORDER BY md5(b.id::text || pg_backend_pid()) {suffix}", RACES,
    ),
    Mutant(
        "a deadlock is not tried again", "budget_system/db.py",
        "if code not in DEADLOCK_OR_SERIALIZATION or attempt == attempts:", "if True:", RACES,
    ),
    Mutant(
        "the pacer's state is written over whatever was written meanwhile", "pacing/desk.py",
        "WHERE campaign_id = %s AND version = %s", "WHERE campaign_id = %s AND %s >= 0", PACING,
    ),
    # Money
    Mutant(
        "spend equal to the budget has not reached it", "enforcement/decision.py",
        "return used >= limit", "return used > limit", DECISION,
    ),
    Mutant(
        "an amount that lands on the budget is refused", "enforcement/decision.py",
        "amount > tightest.left:", "amount >= tightest.left:", "tests/unit/test_authorise.py",
    ),
    Mutant(
        "money set aside does not count for who asks next", "enforcement/decision.py",
        "left = budget.limit - used - reserved", "left = budget.limit - used", "tests/unit/test_authorise.py",
    ),
    Mutant(
        "a total is set instead of added to", "spending/ledger.py",
        "posted = p.posted + excluded.posted, reserved", "posted = excluded.posted, reserved",
        "tests/integration/test_posting.py",
    ),
    Mutant(
        "the same spend sent twice counts twice", "spending/ledger.py",
        '" WHERE true ON CONFLICT (brand_id, source, key) DO NOTHING"', '" WHERE true"',
        "tests/integration/test_posting.py",
    ),
    Mutant(
        "totals move by what was sent, not by what was inserted", "spending/ledger.py",
        "inserted += [bool(cursor.rowcount)] * len(some)", "inserted += [True] * len(some)",
        "tests/integration/test_posting.py",
    ),
    Mutant(
        "settled money stays set aside", "spending/reservations.py",
        "if one.status == ReservationStatus.PENDING\n    )", "if one.status == ReservationStatus.VOIDED\n    )",
        RESERVATIONS,
    ),
    Mutant(
        "a reservation is resolved whatever became of it meanwhile", "spending/reservations.py",
        "filter(pk__in=ids, status=before)", "filter(pk__in=ids)", RESERVATIONS,
    ),
    Mutant(
        "a reservation outlasts its end by an instant", "enforcement/reservations.py",
        "expires_at__lte=now)", "expires_at__lt=now)", RESERVATIONS,
    ),
    Mutant(
        "a replayed reservation counts again for its channel", "enforcement/reservations.py",
        "            if ledger.reserve(entry, period_ids):\n                aside.keep()\n",
        "            aside.keep()\n            if ledger.reserve(entry, period_ids):\n", PACING,
    ),
    Mutant(
        "a forced reset forgets what is forgiven", "spending/turns.py",
        'periods.update(forgiven=Greatest(F("posted"), 0))', 'periods.update(forgiven=0)',
        "tests/integration/test_use_cases.py tests/flows",
    ),
    # Time
    Mutant(
        "days are those of UTC", "brands/periods.py",
        "return now.astimezone(zone).date()", "return now.date()", "tests/unit/test_periods.py",
    ),
    Mutant(
        "the campaign is looked at again at midnight UTC", "enforcement/decision.py",
        "soonest = next_midnight(facts.zone, now)", 'soonest = next_midnight(type(facts.zone)("UTC"), now)', DECISION,
    ),
    Mutant(
        "a window is open at its end", "scheduling/windows.py",
        "passed = bisect_right(flips, position)", "passed = bisect_right(flips, position - 1)",
        "tests/unit/test_windows_clock.py",
    ),
    Mutant(
        "a change of the clocks is not looked for", "scheduling/windows.py",
        "change = next_offset_change(zone, second)", "change = None", "tests/unit/test_windows_clock.py",
    ),
    Mutant(
        "yesterday's spend counts today", "enforcement/decision.py",
        "    if budget.hold is Hold.MONTHLY_BUDGET_EXCEEDED and month_start(today) == month_start(day):\n"
        "        return amount\n    return 0",
        "    return amount", DECISION,
    ),
    Mutant(
        "an override is in force at its end", "enforcement/decision.py",
        "return override.starts_at <= now < override.ends_at and (",
        "return override.starts_at <= now <= override.ends_at and (", DECISION,
    ),
    Mutant(
        "a flight ends a day early", "enforcement/decision.py",
        "today > facts.ends_on:", "today >= facts.ends_on:", DECISION,
    ),
    Mutant(
        "days between two looks are not recorded", "spending/turns.py",
        "for step in range(1, (today", "for step in range(max(1, (today - last).days), (today",
        "tests/integration/test_sweeps.py tests/integration/test_use_cases.py",
    ),
    # Errors, holds, who may what
    Mutant(
        "a brand that cannot be evaluated is passed over in silence", "enforcement/sweeps.py",
        '            result.failures.append(f"Brand {brand_id}: {error}")\n', "",
        "tests/integration/test_sweeps.py tests/integration/test_races.py",
    ),
    Mutant(
        "an override lifts what it was not meant to", "enforcement/decision.py",
        "lifted=cause.hold in override.lifts", "lifted=True", DECISION,
    ),
    Mutant(
        "the breaker holds nothing", "enforcement/decision.py",
        "if facts.breaker_until is not None and now < facts.breaker_until:\n        causes",
        "if facts.breaker_until is not None and now > facts.breaker_until:\n        causes", DECISION,
    ),
    Mutant(
        "a key used again with other content is answered as before", "budget_system/rest/idempotency.py",
        "if kept.fingerprint != fingerprint:", "if False:", "tests/integration/test_api_idempotency.py",
    ),
    Mutant(
        "a key in flight is not waited for", "budget_system/rest/idempotency.py",
        'if is_postgres() and not _locked(f"{caller} {key}"):', "if False:",
        "tests/integration/test_api_idempotency.py",
    ),
    # The pacer
    Mutant(
        "what is set aside does not count against a channel's budget", "budget_pacer/meter.py",
        "left = limits.budget - meter.spent - meter.held", "left = limits.budget - meter.spent",
        "tests/unit/pacing/test_limits.py tests/unit/pacing/test_reservations.py tests/unit/pacing/test_set_aside.py",
    ),
    Mutant(
        "an amount that fills the hour is refused", "budget_pacer/meter.py",
        "if meter.by_slot[slot] + amount > cap:", "if meter.by_slot[slot] + amount >= cap:",
        "tests/unit/pacing/test_limits.py",
    ),
    Mutant(
        "a probe that overspends closes the breaker", "budget_pacer/breaker.py",
        "if overspends >= config.overspends_to_trip or breaker.state is _HALF_OPEN:",
        "if overspends >= config.overspends_to_trip:", "tests/unit/pacing/test_breaker.py",
    ),
    Mutant(
        "clean transactions close a breaker one too early", "budget_pacer/breaker.py",
        "if breaker.clean + 1 >= config.clean_to_close:", "if breaker.clean + 2 >= config.clean_to_close:",
        "tests/unit/pacing/test_breaker.py",
    ),
    # Platforms
    Mutant(
        "what somebody changed at the platform is undone", "platforms/steps.py",
        "if not have_moved(facts.agreed, facts.reason) and not approved:", "if False:", STEPS,
    ),
    Mutant(
        "a brand that observes sends", "platforms/steps.py", "if facts.mode is Mode.OBSERVE:", "if False:", STEPS,
    ),
    Mutant(
        "a campaign that somebody else paused is started", "platforms/steps.py",
        "if ask is Status.ENABLED and not facts.ours:", "if False:", STEPS,
    ),
    Mutant(
        "the kill switch is not in the table", "platforms/steps.py", "if facts.stopped:", "if False:", STEPS,
    ),
    Mutant(
        "the kill switch is not asked in the statement that claims", "platforms/push.py",
        "filter(~Exists(_stop()), pk__in=", "filter(pk__in=", PLATFORMS,
    ),
    Mutant(
        "a yes that nobody has seen counts", "platforms/push.py",
        "if seen is None or seen.status != asked:", "if seen is not None and seen.status != asked:", PLATFORMS,
    ),
    Mutant(
        "an answer to an older call is written over a newer one's", "platforms/push.py",
        "campaign__external_id__in=batch.asked, sent_at=batch.at)", "campaign__external_id__in=batch.asked)",
        PLATFORMS,
    ),
    Mutant(
        "as many changes as may leave wait for a person", "platforms/limits.py",
        "if len(together) > steering.most_campaigns:", "if len(together) >= steering.most_campaigns:", PLATFORMS,
    ),
    Mutant(
        "a trickle of changes is not counted together", "platforms/limits.py",
        'together = set(lately.values_list("campaign", flat=True)) | {row.campaign_id for row in rows}',
        "together = {row.campaign_id for row in rows}", PLATFORMS,
    ),
    # Messages and alerts
    Mutant(
        "a later message of a campaign overtakes an earlier one", "delivery/models.py",
        "return waiting.filter(~Exists(earlier))", "return waiting", DELIVERY,
    ),
    Mutant(
        "two relays claim one message", "delivery/relay.py",
        "attempts=delivery.attempts, next_at=delivery.next_at", "attempts__gte=0", DELIVERY,
    ),
    Mutant(
        "of a name's addresses only the first is looked at", "delivery/addresses.py",
        "for address in addresses:\n", "for address in addresses[:1]:\n", "tests/unit/test_webhook_addresses.py",
    ),
    Mutant(
        "an address in another's clothes is public", "delivery/addresses.py",
        "address in network for network in NOT_TO_BE_CALLED", "False for network in NOT_TO_BE_CALLED",
        "tests/unit/test_webhook_addresses.py",
    ),
    Mutant(
        "an older look undoes a newer one", "alerts/services.py",
        "Look.objects.filter(pk=1, number=number).update(", "Look.objects.filter(pk=1).update(", ALERTS,
    ),
    Mutant(
        "what could not be looked for is taken to be over", "alerts/services.py",
        "if key not in found and alert.kind not in seen.unsure]", "if key not in found]", ALERTS,
    ),
    Mutant(
        "a secret is kept with the answer that showed it", "budget_system/rest/idempotency.py",
        "if secret else body", "if False else body", "tests/integration/test_api_webhooks.py",
    ),
    Mutant(
        "a name server is asked while the database waits", "delivery/api.py",
        "now=clock.now(), find=find\n", "now=clock.now()\n", "tests/integration/test_api_webhooks.py",
    ),
    Mutant(
        "a threshold that was told of is told of again", "alerts/services.py",
        "if one.level > told.get(one.series, -1)", "if one.level >= told.get(one.series, -1)", ALERTS,
    ),
)  # fmt: skip


def copy_of_the_tree(target: Path) -> None:
    """The tracked files as they are here, changed ones too."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def noticed(mutant: Mutant, tree: Path, environment: dict[str, str]) -> bool:
    """Whether a test fails, or hangs, in a tree with this mutant; the tree is mended afterwards."""
    file = tree / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: {mutant.file} has {text.count(mutant.old)} places like it, not one")
    file.write_text(text.replace(mutant.old, mutant.new))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--reuse-db", "-m", "not faults", *mutant.tests.split()]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, check=False, capture_output=True, text=True, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        file.write_text(text)
    if done.returncode not in (0, 1):
        raise UnableToStart(
            f"{mutant.name}: the tests did not run (pytest ended with {done.returncode})\n{done.stdout}"
        )
    return done.returncode == 1


def main(words: Sequence[str]) -> int:
    chosen = [one for one in MUTANTS if not words or any(word in one.name for word in words)]
    if not chosen:
        sys.stderr.write(f"error: no mutant's name has {' or '.join(words)} in it.\n")
        return 2
    end_on_sigterm()
    survived = 0
    try:
        with temporary_servers() as urls, tempfile.TemporaryDirectory() as name:
            tree = Path(name)
            copy_of_the_tree(tree)
            environment = {**os.environ, **for_tests(), **urls, "PYTHONPATH": name, "PYTHONDONTWRITEBYTECODE": "1"}
            for one in chosen:
                started = time.monotonic()
                found = noticed(one, tree, environment)
                survived += not found
                print(
                    f"{'caught  ' if found else 'SURVIVED'} {time.monotonic() - started:5.0f} s  {one.name}", flush=True
                )
    except (UnableToStart, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    print(f"{len(chosen) - survived} of {len(chosen)} mutants were caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
