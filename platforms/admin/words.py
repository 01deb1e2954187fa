"""Words and permissions that several pages about ad platforms share."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from budget_system.admin import show
from campaigns.holds import Hold
from platforms.models import STATUS_LABELS, STEP_LABELS, WHY_LABELS, ActKind, RemoteState
from platforms.models import Act as PlatformAct
from platforms.protocol import Status
from platforms.steps import Mode, Step, Why, at_risk, wanted

UTC = ZoneInfo("UTC")
CHANGE, APPROVE = "platforms.change_account", "platforms.change_remotestate"
LATEST = 10


def minute(at: datetime | None) -> str:
    return show.moment(at, UTC)


def mode_words(mode: str) -> str:
    return {
        Mode.OBSERVE: "nothing is sent; what would be sent is written down.",
        Mode.SUGGEST: "each change waits for approval under Campaigns at the platforms.",
        Mode.ENFORCE: "changes are sent by themselves.",
    }[Mode(mode)]


def ours(row: RemoteState) -> SafeString:
    if not row.campaign.pause_reason:
        return show.badge("Active", show.GOOD)
    return show.stacked(show.badge("Paused"), show.small(Hold(row.campaign.pause_reason).label))


def theirs(row: RemoteState) -> SafeString:
    label = STATUS_LABELS[row.actual_status]
    if at_risk(row.campaign.pause_reason, row.actual_status):
        return show.stacked(show.badge(label, show.BAD), show.small("Spends what must not be spent"))
    tone = show.GOOD if row.actual == Status.ENABLED else show.PLAIN
    said = row.said if row.said.lower() != label.lower() else ""
    return show.stacked(show.badge(label, tone), show.small(said))


TONES = {
    Step.IN_STEP: show.GOOD, Step.DRIFT: show.BAD, Step.WAITING: show.WARN, Step.STOPPED: show.WARN,
    Step.BROKEN: show.BAD, Step.SEND: show.INFO,
}  # fmt: skip


def next_words(row: RemoteState) -> SafeString:
    step = Step(row.step)
    label = "In the next file" if step is Step.SEND and row.account.by_file else STEP_LABELS[step]
    badge = show.badge(label, show.WARN if row.error else TONES.get(step, show.PLAIN), row.error)
    return show.stacked(badge, show.small(_next_line(row, step)))


def _next_line(row: RemoteState, step: Step) -> str:
    verb = "pause" if wanted(row.campaign.pause_reason) is Status.PAUSED else "start"
    match step:
        case Step.WAITING:
            return f"To {verb} it there. {WHY_LABELS[Why(row.why)]}"
        case Step.OBSERVED:
            return f"We would {verb} it there."
        case Step.SEND if row.error:
            return f"To {verb} it there; attempt {row.attempts}. {row.error}"
        case Step.SEND | Step.STOPPED | Step.BROKEN:
            return f"To {verb} it there."
        case _:
            return ""


def act_words(act: PlatformAct) -> SafeString:
    tones = {
        ActKind.CONFIRMED: show.GOOD, ActKind.REFUSED: show.BAD, ActKind.NOT_SEEN: show.WARN, ActKind.DRIFT: show.BAD,
    }  # fmt: skip
    kind = ActKind(act.kind)
    asked = {Status.PAUSED: "Paused", Status.ENABLED: "Enabled"}.get(Status(act.asked)) if act.asked else None
    attempt = f", attempt {act.attempt}" if act.attempt > 1 else ""
    return show.stacked(show.badge(kind.label, tones.get(kind, show.PLAIN)), show.small(f"{asked or ''}{attempt}"))


def took_words(act: PlatformAct) -> object:
    return show.nothing() if act.seconds is None else show.right(f"{act.seconds:.1f} s")
