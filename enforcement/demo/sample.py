"""Setting up the sample data: made once, and carried on to the present by every later run."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid5

from django.db import connection
from django.db.models import Max

from brands.models import AuditEntry, Brand
from budget_system.errors import Refused
from campaigns.models import StateChange
from enforcement import runs, services
from enforcement.demo import events
from enforcement.demo.catalogue import BRANDS
from enforcement.demo.plan import MOST_BRANDS, BrandPlan, CampaignPlan, Plan, make_plan
from enforcement.demo.replay import Made, Replay
from enforcement.models import Run, RunKind
from enforcement.sweeps import Progress
from scheduling.services import ScheduleRow
from spending.models import Spend
from spending.services import Source

ACTION = "set up sample data"
_NAMESPACE = UUID("6f1f9c53-2d1c-4c43-9d5b-1f0a6d3f2a11")
MOST_DAYS = 730
HOLD_ON_STEPS = 500
SYNCED = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Wish:
    """What the caller asks for. What is there already stays as it was asked for at first."""

    seed: int
    days: int
    brands: int


@dataclass
class Done:
    """What a run did: the plan that holds, the brands it is about, and what was made."""

    plan: Plan
    wish: Wish
    brand_ids: dict[str, UUID] = field(default_factory=dict)
    made: Made = field(default_factory=Made)


def set_up(wish: Wish, *, actor: str, clock: Callable[[], datetime], progress: Progress) -> Done:
    """Make the sample data up to now, or carry on from where the last run ended.

    Raises Refused, and AlreadyRunning while another run or a sweep is under way.
    """
    now = clock().replace(microsecond=0)
    check(wish)
    done = _begun(wish)
    if done is None or _reached(done.plan) < now:
        with _sweeps_held_off(now, clock) as hold_on, _fewer_waits_for_the_disk():
            done = _begun(wish) or _begin(wish, actor, now)  # again: another run may just have ended
            _carry_on(done, now, _both(progress, hold_on))
            _mark(done.wish, until=now, actor=actor, now=now)
    return done


def _begun(wish: Wish) -> Done | None:
    """What there is already; None if nothing. Raises Refused where that was made with another seed."""
    first = AuditEntry.objects.filter(action=ACTION).order_by("pk").first()
    if first is None:
        return None
    held = Wish(first.after["seed"], first.after["days"], first.after["brands"])
    if held.seed != wish.seed:
        raise Refused(
            f"There is sample data of seed {held.seed} already. Carry it on with --seed {held.seed}, or begin anew "
            "with --reset.",
            field="seed",
        )
    plan = make_plan(held.seed, first.at, days=held.days, brands=held.brands)
    known = _known()
    brand_ids = {brand.name: known[None, brand.name] for brand in plan.brands if (None, brand.name) in known}
    return Done(plan, held, brand_ids)


def _begin(wish: Wish, actor: str, now: datetime) -> Done:
    namesake = Brand.objects.filter(name__in=[idea.name for idea in BRANDS[: wish.brands]]).first()
    if namesake is not None:
        raise Refused(f"There is a brand “{namesake}” already, and it is no sample data. Rename it first.")
    _mark(wish, until=None, actor=actor, now=now)
    return Done(make_plan(wish.seed, now, days=wish.days, brands=wish.brands), wish)


def _carry_on(done: Done, now: datetime, progress: Progress) -> None:
    """Make what is missing, then everything that has happened since the last run."""
    changes_before = StateChange.objects.count()
    campaign_ids = _make_missing(done)
    since = _reached(done.plan)
    floor = max(since, _last_seen(done.plan.end, now))
    Replay(done.plan, done.brand_ids, campaign_ids, floor, done.made).run(since, now, progress)
    done.made.state_changes = StateChange.objects.count() - changes_before


def check(wish: Wish) -> None:
    """Refuse what cannot be made."""
    if not 1 <= wish.brands <= MOST_BRANDS:
        raise Refused(f"There are between 1 and {MOST_BRANDS} sample brands.", field="brands")
    if not 1 <= wish.days <= MOST_DAYS:
        raise Refused("There are between 1 and 24 months of sample data.", field="months")


def _make_missing(done: Done) -> dict[tuple[str, str], UUID]:
    """Make the brands and campaigns that are not there yet. Gives the campaigns' ids by the names of both."""
    plan, made, known = done.plan, done.made, _known()
    campaign_ids: dict[tuple[str, str], UUID] = {}
    for brand in plan.brands:
        brand_id = known.get((None, brand.name)) or _make_brand(brand, plan.start, made)
        done.brand_ids[brand.name] = brand_id
        for campaign in brand.campaigns:
            campaign_id = known.get((brand_id, campaign.name))
            if campaign_id is None:
                campaign_id = _make_campaign(brand_id, campaign, plan.start, made)
            campaign_ids[brand.name, campaign.name] = campaign_id
    return campaign_ids


def _make_brand(brand: BrandPlan, now: datetime, made: Made) -> UUID:
    inputs = {
        "name": brand.name, "timezone": brand.zone.key, "currency": brand.currency,
        "daily_budget": brand.daily_budget, "monthly_budget": brand.monthly_budget,
    }  # fmt: skip
    made.brands += 1
    return services.create_brand(inputs, actor=events.PLATFORM, now=now).pk


def _make_campaign(brand_id: UUID, campaign: CampaignPlan, now: datetime, made: Made) -> UUID:
    inputs = {
        "name": campaign.name, "platform": campaign.platform, "external_id": campaign.external_id,
        "daily_budget": campaign.daily_budget, "lifetime_budget": campaign.lifetime_budget,
        "start_date": campaign.starts_on, "end_date": campaign.ends_on,
    }  # fmt: skip
    rows = None if campaign.windows is None else [ScheduleRow(window) for window in campaign.windows]
    made.campaigns += 1
    return services.create_campaign(brand_id, inputs, actor=events.PLATFORM, now=now, rows=rows).pk


# --- What the records say --------------------------------------------------------------------------------------------


def _mark(wish: Wish, *, until: datetime | None, actor: str, now: datetime) -> None:
    """Record what was asked for, or up to when it was carried out: what a later run goes by."""
    after: dict[str, object] = {"seed": wish.seed, "days": wish.days, "brands": wish.brands}
    if until is not None:
        after["until"] = until.isoformat()
    AuditEntry.objects.create(
        at=now, actor=actor, action=ACTION, object_type="sample data", object_id=uuid5(_NAMESPACE, str(wish.seed)),
        object_label=f"Sample data of seed {wish.seed}", after=after,
    )  # fmt: skip


def _known() -> dict[tuple[UUID | None, str], UUID]:
    """The brands (None, name) and campaigns (brand, name) made before, by the names they were made with."""
    created = AuditEntry.objects.filter(action__in=["create brand", "create campaign"], actor=events.PLATFORM)
    return {
        (None if action == "create brand" else brand_id, label): object_id
        for action, brand_id, label, object_id in created.values_list("action", "brand_id", "object_label", "object_id")
    }


def _reached(plan: Plan) -> datetime:
    """Up to when the sample data goes: where the last run ended, or was broken off."""
    marks = [
        datetime.fromisoformat(entry.after["until"])
        for entry in AuditEntry.objects.filter(action=ACTION)
        if "until" in entry.after
    ]
    synced = Spend.objects.filter(source=Source.DEMO, key__startswith="sync ").aggregate(last=Max("key"))["last"]
    if synced:
        marks.append(datetime.strptime(synced.split()[1], SYNCED).replace(tzinfo=UTC))
    return max([plan.start, *marks])


def _last_seen(begun_at: datetime, now: datetime) -> datetime:
    """When the system last did something of its own since the sample data was begun: no record may be older than that.

    While nothing else has run, that is the last moment of the sample data itself.
    """
    ours = AuditEntry.objects.filter(actor=events.PLATFORM).values("brand")
    changed = StateChange.objects.filter(brand__in=ours).aggregate(last=Max("at"))["last"]
    noted = AuditEntry.objects.filter(brand__in=ours).aggregate(last=Max("at"))["last"]
    others = Run.objects.exclude(trigger=events.PLATFORM).filter(started_at__gt=begun_at)
    ran = others.aggregate(last=Max("started_at"))["last"]
    seen: list[datetime] = [moment for moment in (changed, noted, ran) if moment is not None]
    return min(now, max(seen))


# --- While it runs ---------------------------------------------------------------------------------------------------


@contextmanager
def _sweeps_held_off(now: datetime, clock: Callable[[], datetime]) -> Iterator[Progress]:
    """No minute tick comes between: it would judge the past by the present. The run log is the guard.

    Yields what has to be called now and then, so that the runs are not taken for dead.
    """

    def hold_on(done: int, _total: int) -> None:
        if done % HOLD_ON_STEPS == 0:
            Run.objects.filter(trigger=events.PLATFORM, finished_at=None).update(started_at=clock())

    with ExitStack() as stack:
        for kind in RunKind:
            _enter(stack, kind, now, clock)
        yield hold_on


def _both(first: Progress, second: Progress) -> Progress:
    def call(done: int, total: int) -> None:
        first(done, total)
        second(done, total)

    return call


def _enter(stack: ExitStack, kind: RunKind, now: datetime, clock: Callable[[], datetime]) -> None:
    for attempt in range(100):
        try:
            stack.enter_context(runs.recorded(kind, trigger=events.PLATFORM, now=now, clock=clock))
        except runs.AlreadyRunning:
            if attempt == 99:
                raise
            time.sleep(0.1)
        else:
            return


@contextmanager
def _fewer_waits_for_the_disk() -> Iterator[None]:
    """On SQLite a power failure may take the last moments of sample data with it, and nothing else."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        before = cursor.fetchone()[0]
        cursor.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA synchronous = {int(before)}")
