"""What is told when something is over: for a budget, whether its campaigns run again, which other holds may prevent."""

from collections import Counter

from alerts.findings import count
from alerts.kinds import Kind
from alerts.models import Alert
from campaigns.holds import Hold
from campaigns.models import Campaign


def ending_of(alert: Alert) -> str:
    """A budget's hold may be over because the budget is free, or because an override lifts it: told is what runs."""
    if alert.kind != Kind.BUDGET_PAUSE:
        return "It is over."
    if alert.campaign_id is not None:
        campaign = Campaign.objects.filter(pk=alert.campaign_id).first()
        held = ", ".join(hold.label.lower() for hold in campaign.holds) if campaign else ""
        return f"What holds it now: {held}." if held else "It runs again."
    reasons = Counter(
        Campaign.objects.current().filter(brand=alert.brand_id).order_by().values_list("pause_reason", flat=True)
    )
    running = reasons.pop("", 0)
    others = ", ".join(f"{number:,} {Hold(reason).label.lower()}" for reason, number in reasons.most_common())
    runs = f"Now {count(running, 'campaign')} of the brand {'runs' if running == 1 else 'run'}"
    return f"{runs}; not running: {others}." if others else f"{runs}."
