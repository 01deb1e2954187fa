"""Accounts, modes, approvals and the kill switch, as people manage them. Each is one use case and leaves its audit
entry.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from brands.models import Brand
from brands.services import audit, check_version, write_inputs
from budget_system.db import use_case
from budget_system.errors import Conflict, NotFound, Refused
from budget_system.text import InvalidText, required_note
from campaigns.holds import Hold
from campaigns.models import Campaign
from enforcement import services as enforcement
from platforms import accounts
from platforms.connections import connect, credentials_of, kind_of, sealed
from platforms.models import MOST_CAMPAIGNS, MOST_SHARE, Account, ActKind, Outgoing, RemoteState, Steering
from platforms.protocol import Account as AccountThere
from platforms.protocol import Field, PlatformError, Status
from platforms.push import write_act
from platforms.steps import Mode, Step, wanted

STEERING = ("mode", "most_campaigns", "most_share", "budgets_count")
ACCOUNT_ID_LENGTH = 100
BY_FILE = ("GOOGLE", "META", "MICROSOFT")
"""Platforms whose own tools take changes in a file."""

# --- Accounts --------------------------------------------------------------------------------------------------------


@use_case
def add_account(
    brand_id: UUID, platform: str, account_id: str, credentials: Mapping[str, str], *, actor: str, now: datetime,
    by_file: bool = False,
) -> Account:  # fmt: skip
    """A new account of a brand, looked at within a minute. The brand observes until a person chooses another mode.

    `by_file`: without access to the platform's interface; changes go there in files, and there are no credentials.
    """
    brand = Brand.objects.filter(pk=brand_id, archived_at=None).first()
    if brand is None:
        raise NotFound("There is no such brand.", field="brand")
    kind = kind_of(platform)
    if by_file and platform not in BY_FILE:
        raise Refused(f"Changes go in files to {', '.join(BY_FILE)} only.", field="by_file")
    account_id = _clean_id(account_id)
    fields = () if by_file else kind.fields
    given = {field.name: "" for field in fields} | _known(fields, credentials)
    missing = [field.label for field in fields if field.required and not given[field.name]]
    if missing:
        raise Refused(f"This is missing: {', '.join(missing)}.", field="credentials")
    with _once_a_brand():
        account = Account.objects.create(
            brand=brand, platform=platform, account_id=account_id, credentials=sealed(given), by_file=by_file,
            created_at=now, updated_at=now,
        )  # fmt: skip
    Steering.objects.get_or_create(brand=brand, defaults={"updated_at": now})
    after = {"platform": platform, "account_id": account_id}
    audit(account, "connect platform account", brand_id=brand.pk, actor=actor, now=now, after=after)
    return account


@use_case
def change_account(
    account_id: UUID,
    *,
    new_id: str | None = None,
    credentials: Mapping[str, str] | None = None,
    actor: str,
    now: datetime,
    expected_version: int | None = None,
) -> Account:
    """Another id or other credentials; those that are not given, or empty, stay. It is tried again at once."""
    account = _lock(account_id)
    check_version(account, expected_version)
    before: dict[str, object] = {}
    after: dict[str, object] = {}
    if new_id is not None and _clean_id(new_id) != account.account_id:
        before["account_id"], after["account_id"] = account.account_id, _clean_id(new_id)
        account.account_id = _clean_id(new_id)
        account.digests, account.restated_on = {}, None
    known = () if account.by_file else kind_of(account.platform).fields
    given = {name: text for name, text in _known(known, credentials or {}).items() if text}
    if given:
        account.credentials = sealed({**_readable(account), **given})
        after["credentials"] = sorted(given)  # which ones, never what they are
        before["credentials"] = []
    if not after:
        return account
    with _once_a_brand():
        _ready_again(account, now)
    audit(
        account, "change platform account", brand_id=account.brand_id, actor=actor, now=now, before=before, after=after
    )
    return account


@contextmanager
def _once_a_brand() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise Conflict("This brand has this account already.", field="account_id") from error


def _known(fields: Sequence[Field], credentials: Mapping[str, str]) -> dict[str, str]:
    """What was given, by the names that the kind has. What is not known is refused by its name only."""
    names = [field.name for field in fields]
    if unknown := sorted(credentials.keys() - set(names)):
        raise Refused(
            f"Not known here: {', '.join(unknown)}. There are: {', '.join(names) or 'none'}.", field="credentials"
        )
    return {name: text.strip() for name, text in credentials.items()}


def _readable(account: Account) -> dict[str, str]:
    """What is kept; nothing where the key is gone, so that it can be entered anew."""
    try:
        return credentials_of(account)
    except Refused:
        return {}


def check(account_id: UUID, *, actor: str, now: datetime) -> AccountThere:
    """Ask the platform for the account's name, currency and zone, now. Raises Refused with what it said instead."""
    account = Account.objects.select_related("brand").filter(pk=account_id).first()
    if account is None:
        raise NotFound("There is no such account.")
    if account.by_file:
        raise Conflict("Its changes go in files: there is nothing to be asked.")
    if account.off_at is not None:
        raise Conflict("It is switched off: nothing is asked there. Switch it on first.")
    try:
        from_there = connect(account).account()
    except PlatformError as error:
        _checked(account_id, error, actor, now)
        raise Refused(error.message) from error
    _checked(account_id, from_there, actor, now)
    return from_there


@use_case
def _checked(account_id: UUID, answer: AccountThere | PlatformError, actor: str, now: datetime) -> None:
    account = _lock(account_id)
    if isinstance(answer, PlatformError):
        accounts.failed(account, answer, now)
    else:
        accounts.works(account, now, answer)
        Account.objects.filter(pk=account_id).update(look_at=None, pull_at=None)
    said = answer.message if isinstance(answer, PlatformError) else f"{answer.name}, {answer.currency}"
    audit(account, "check platform account", brand_id=account.brand_id, actor=actor, now=now, reason=said[:1_000])


@use_case
def switch_account_off(account_id: UUID, *, reason: str, actor: str, now: datetime) -> None:
    """Nothing is asked of it any more. What it shows stays as it was seen last."""
    account = _lock(account_id)
    reason = _reason(reason)
    if account.off_at is None:
        account.off_at, account.off_reason = now, reason
        _save(account, now, "off_at", "off_reason")
        audit(
            account, "switch off platform account", brand_id=account.brand_id, actor=actor, now=now, reason=reason
        )  # fmt: skip


@use_case
def switch_account_on(account_id: UUID, *, actor: str, now: datetime) -> None:
    account = _lock(account_id)
    if account.off_at is not None:
        account.off_at, account.off_reason = None, ""
        _ready_again(account, now)
        _save(account, now, "off_at", "off_reason")
        audit(account, "switch on platform account", brand_id=account.brand_id, actor=actor, now=now)


def _ready_again(account: Account, now: datetime) -> None:
    accounts.works(account, now)
    account.look_at = account.pull_at = None
    _save(account, now, "account_id", "credentials", "digests", "restated_on", "look_at", "pull_at")


def _save(account: Account, now: datetime, *fields: str) -> None:
    account.version += 1
    account.updated_at = now
    account.save(update_fields=[*fields, "version", "updated_at"])


def _lock(account_id: UUID) -> Account:
    try:
        return accounts.lock(account_id)
    except Account.DoesNotExist:
        raise NotFound("There is no such account.") from None


def _clean_id(text: str) -> str:
    text = text.strip()
    if not text or len(text) > ACCOUNT_ID_LENGTH or not text.isprintable():
        raise Refused("Write the account's id as the platform shows it.", field="account_id")
    return text


def _reason(text: str) -> str:
    try:
        return required_note(text, what="reason")
    except InvalidText as error:
        raise Refused(str(error), field="reason") from error


# --- Modes and the kill switch ---------------------------------------------------------------------------------------


@use_case
def change_steering(
    brand_id: UUID, changes: Mapping[str, object], *, actor: str, now: datetime, expected_version: int | None = None
) -> Steering:
    """How far this system may go on its own at a brand's platforms."""
    brand = Brand.objects.filter(pk=brand_id).first()
    if brand is None:
        raise NotFound("There is no such brand.", field="brand")
    Steering.objects.get_or_create(brand=brand, defaults={"updated_at": now})
    steering = Steering.objects.select_for_update(of=("self",), no_key=True).select_related("brand").get(brand=brand)
    check_version(steering, expected_version)
    before, after = write_inputs(steering, _clean_steering(changes), brand.currency, now)
    if after:
        # An approval, or a limit, was about what the former mode let through.
        RemoteState.objects.filter(account__brand=brand, limited=True).update(limited=False)
        audit_of_brand(brand, "change mode", actor=actor, now=now, before=before, after=after)
    return steering


def _clean_steering(changes: Mapping[str, object]) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    for name, value in changes.items():
        match name:
            case "mode" if value in list(Mode):
                cleaned[name] = str(value)
            case "most_campaigns" if isinstance(value, int) and 0 <= value <= MOST_CAMPAIGNS:
                cleaned[name] = value
            case "most_share" if isinstance(value, int) and 0 <= value <= MOST_SHARE:
                cleaned[name] = value
            case "budgets_count" if isinstance(value, bool):
                cleaned[name] = value
            case _:
                raise Refused("That is not possible here.", field=name)
    return cleaned


def audit_of_brand(brand: Brand, action: str, *, actor: str, now: datetime, **more: Any) -> None:
    audit(brand, action, brand_id=brand.pk, actor=actor, now=now, **more)


def outgoing() -> Outgoing:
    """The kill switch as it stands."""
    return Outgoing.objects.first() or Outgoing()


@use_case
def stop_all(*, reason: str, actor: str, now: datetime) -> None:
    """The kill switch: from this moment no change leaves to any platform. Reading goes on."""
    reason = _reason(reason)
    Outgoing.objects.get_or_create(only=True)
    switch = Outgoing.objects.select_for_update(no_key=True).get(only=True)
    if switch.stopped_at is None:
        switch.stopped_at, switch.stopped_by, switch.reason = now, actor, reason
        switch.save()
        audit(switch, "stop all changes", brand_id=None, actor=actor, now=now, reason=reason)


@use_case
def go_on(*, actor: str, now: datetime, reason: str = "") -> None:
    """Changes leave again: those that are wanted now, not those that were meanwhile."""
    switch = Outgoing.objects.select_for_update(no_key=True).filter(stopped_at__isnull=False).first()
    if switch is not None:
        switch.stopped_at, switch.stopped_by, switch.reason = None, "", ""
        switch.save()
        audit(switch, "let changes leave again", brand_id=None, actor=actor, now=now, reason=reason)


# --- What a person decides about campaigns ---------------------------------------------------------------------------


@use_case
def approve(campaign_ids: Iterable[UUID], *, actor: str, now: datetime) -> list[UUID]:
    """Send what waits for approval, within seconds. Gives those campaigns of which it did."""
    rows = _rows(campaign_ids, Step.WAITING, Step.LEFT)
    for row in rows:
        _approve(row, actor, now, "")
    return [row.pk for row in rows]


@use_case
def put_back(campaign_id: UUID, *, reason: str, actor: str, now: datetime) -> None:
    """Undo what somebody changed at the platform: ours is sent. Raises Conflict where the brand only observes."""
    rows = _rows([campaign_id], Step.DRIFT)
    if not rows:
        raise Conflict("It is not changed there any more. Nothing was sent.")
    row = rows[0]
    if Steering.objects.filter(brand=row.campaign.brand_id, mode=Mode.OBSERVE).exists():
        raise Conflict("The brand's mode is observe: nothing is sent. Choose another mode, or change it there by hand.")
    _approve(row, actor, now, _reason(reason))


def _approve(row: RemoteState, actor: str, now: datetime, note: str) -> None:
    ask = wanted(row.campaign.pause_reason)
    row.approved, row.left, row.limited = ask, None, False
    row.save(update_fields=["approved", "left", "limited"])
    write_act(row, ActKind.APPROVED, now, asked=ask, actor=actor, note=note, account=row.account)
    audit(
        row.campaign, "approve change at platform", brand_id=row.campaign.brand_id, actor=actor, now=now,
        after={"status": ask.value}, reason=note,
    )  # fmt: skip


@use_case
def leave(campaign_ids: Iterable[UUID], *, reason: str, actor: str, now: datetime) -> list[UUID]:
    """Say no to what waits for approval: it is not asked again until we want something else, or for another reason.

    Gives those campaigns that did wait.
    """
    reason = _reason(reason)
    rows = _rows(campaign_ids, Step.WAITING)
    for row in rows:
        row.left, row.approved = row.campaign.pause_reason, ""
        row.save(update_fields=["left", "approved"])
        write_act(row, ActKind.LEFT, now, actor=actor, note=reason, account=row.account)
        audit(
            row.campaign, "leave at platform as it is", brand_id=row.campaign.brand_id, actor=actor, now=now,
            reason=reason,
        )  # fmt: skip
    return [row.pk for row in rows]


def take_over(campaign_id: UUID, *, reason: str, actor: str, now: datetime) -> None:
    """Make what somebody changed at the platform ours too: a pause there becomes a manual pause here, and a start there
    ends one. Raises Conflict where something else than a manual pause holds it here.
    """
    reason = _reason(reason)
    row = RemoteState.objects.select_related("campaign", "account").filter(pk=campaign_id, step=Step.DRIFT).first()
    if row is None:
        raise Conflict("It is not changed there any more. Nothing was changed here.")
    note = f"As it is at {row.account.get_platform_display()}. {reason}"
    if wanted(row.campaign.pause_reason) == "ENABLED":
        enforcement.pause(campaign_id, reason=note, actor=actor, now=now)
    else:
        _only_manual(row.campaign)
        enforcement.activate(campaign_id, actor=actor, now=now, reason=note)
    _took_over(campaign_id, note, actor, now)


def _only_manual(campaign: Campaign) -> None:
    others = [hold for hold in campaign.holds if hold is not Hold.MANUAL]
    if others:
        held = ", ".join(hold.label.lower() for hold in others)
        raise Conflict(
            f"Here it is held too: {held}. To let it run in spite of that, make an override on its page; or put ours "
            "back, which pauses it there."
        )


@use_case
def _took_over(campaign_id: UUID, note: str, actor: str, now: datetime) -> None:
    row = RemoteState.objects.select_related("campaign", "account").get(pk=campaign_id)
    write_act(row, ActKind.TAKEN_OVER, now, actor=actor, note=note, account=row.account)
    if row.actual == Status.PAUSED:
        row.ours = True  # a person made the pause ours, so that ending it here may start it there
        row.save(update_fields=["ours"])


def _rows(campaign_ids: Iterable[UUID], *steps: Step) -> Sequence[RemoteState]:
    rows = RemoteState.objects.filter(campaign__in=list(campaign_ids), step__in=steps, claimed_until=None)
    return list(rows.select_related("campaign", "account").select_for_update(of=("self",), no_key=True).order_by("pk"))
