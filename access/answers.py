"""Kept answers grow old: who repeats a request does so within minutes, not weeks."""

from datetime import datetime, timedelta

from access.models import IdempotentAnswer

KEPT_FOR = timedelta(days=7)


def forget_old(now: datetime) -> int:
    """Delete the answers that are older than `KEPT_FOR`; how many that were."""
    return IdempotentAnswer.objects.filter(created_at__lt=now - KEPT_FOR).delete()[0]
