"""Ad platforms that show another state than was decided, and accounts that do not work, as `platforms.drift` says."""

import hashlib
from collections.abc import Iterator

from django.urls import reverse

from alerts.findings import Finding, World, finder, page
from alerts.kinds import Kind
from enforcement.explain import local_text
from platforms.drift import OpenDrift, broken_accounts, open_drifts


def _drifts(world: World) -> Iterator[Finding]:
    for drift in open_drifts(world.now):
        yield from _finding(world, drift, f"campaign:{drift.campaign_id}")
    for broken in broken_accounts(world.now):
        # What is wrong with it may change; which account it is does not.
        account = hashlib.sha256(broken.text.partition(" does not work")[0].encode()).hexdigest()
        yield from _finding(world, broken, f"account:{broken.brand_id}:{account[:16]}")


def _finding(world: World, drift: OpenDrift, key: str) -> Iterator[Finding]:
    kind = Kind.PLATFORM_DRIFT
    brand, rule = world.brands.get(drift.brand_id), world.rule(kind, drift.brand_id)
    if brand is None or not rule.on:
        return
    link = (
        page("campaigns_campaign", drift.campaign_id)
        if drift.campaign_id
        else reverse("admin:platforms_account_changelist")
    )
    what = drift.text.partition(". ")[0].removesuffix(".")
    yield Finding(
        kind, f"{kind}:{key}", brand.pk, drift.campaign_id, rule.severity, f"{brand}: {what}", drift.text,
        [("since", local_text(brand.zone, drift.since, world.now))], drift.since, drift.next_step, link,
    )  # fmt: skip


FINDERS = (finder("ad platforms", _drifts, Kind.PLATFORM_DRIFT),)
