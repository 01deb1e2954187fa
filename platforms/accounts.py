"""What a good or a bad answer means for the account as a whole. No transactions here."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from brands.services import audit
from budget_system.errors import Refused
from platforms.models import Account
from platforms.protocol import Account as AccountThere
from platforms.protocol import PlatformError, RefusedByPlatform, Throttled, Unauthorised

logger = logging.getLogger(__name__)

BACK_OFF = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 30, 60, 120, 300))
"""How long an account that did not answer is left alone, by how often in a row."""
ASKED_TOO_OFTEN = timedelta(seconds=60)
"""The same for one that said “too many requests” and not until when."""
LONGEST = timedelta(hours=6)
"""The longest pause that a platform may ask for."""
ACTOR = "worker"


def works(account: Account, now: datetime, there: AccountThere | None = None) -> None:
    """It has answered."""
    changed: dict[str, object] = {
        "error": "",
        "failing_since": None,
        "failures": 0,
        "needs_person": False,
        "leave_until": None,
    }
    if there is not None:
        zone = there.time_zone[:60]
        changed |= {"name": there.name[:200], "currency": there.currency[:3], "time_zone": zone, "checked_at": now}
    _set(account, **{name: value for name, value in changed.items() if getattr(account, name) != value})


def failed(account: Account, error: PlatformError | Refused, now: datetime) -> None:
    """It has not answered as it should: when it may be asked again, or that a person has to act."""
    needs_person = isinstance(error, Unauthorised | Refused)
    failures = account.failures + 1
    leave_until: datetime | None = None
    if isinstance(error, Throttled):
        asked = ASKED_TOO_OFTEN if error.retry_after_s is None else timedelta(seconds=max(error.retry_after_s, 1))
        leave_until = now + min(asked, LONGEST)
    elif not isinstance(error, RefusedByPlatform):  # which says no to this, and may well do something else
        leave_until = now + BACK_OFF[min(failures, len(BACK_OFF)) - 1]
    newly = needs_person and not account.needs_person
    _set(
        account, error=error.message[:1_000], failing_since=account.failing_since or now, failures=failures,
        needs_person=account.needs_person or needs_person, leave_until=leave_until,
    )  # fmt: skip
    if newly:
        audit(account, "platform account stops", brand_id=account.brand_id, actor=ACTOR, now=now, reason=account.error)
        logger.error("%s: a person has to act. %s", account, account.error)


def _set(account: Account, **values: object) -> None:
    for name, value in values.items():
        setattr(account, name, value)
    if values:
        account.save(update_fields=list(values))


def lock(account_id: UUID) -> Account:
    locked = Account.objects.select_for_update(of=("self",), no_key=True).select_related("brand")
    return locked.get(pk=account_id)
