"""What is told when something is over: for a budget, whether its campaigns run again, which other holds may prevent."""

from collections import Counter

from alerts.findings import count
from alerts.kinds import Kind
from alerts.models import Alert
from campaigns.holds import Hold
from campaigns.models import Campaign


def ending_of(alert: Alert) -> str:
    if alert.kind != Kind.BUDGET_PAUSE:
        return "It is over."
    if alert.campaign_id is not None:
        campaign = Campaign.objects.filter(pk=alert.campaign_id).first()
        held = ", ".join(hold.label.lower() for hold in campaign.holds) if campaign else ""
        return f"The budget is free again. It is still held: {held}." if held else "The budget is free again: it runs."
    reasons = Counter(
        Campaign.objects.current().filter(brand=alert.brand_id).order_by().values_list("pause_reason", flat=True)
    )
    free = reasons.pop("", 0)
    others = ", ".join(f"{number:,} {Hold(reason).label.lower()}" for reason, number in reasons.most_common())
    runs = f"The budget is free again: {count(free, 'campaign')} of the brand {'runs' if free == 1 else 'run'}"
    return f"{runs}; not running: {others}." if others else f"{runs}."
