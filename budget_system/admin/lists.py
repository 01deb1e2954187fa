"""Lists of many rows: a page of one costs as much with a million rows as with fifty.

Only the rows of the page are fetched and dressed; counting ends at `MOST_COUNTED`; shares of budgets are looked up by
key, each brand by its own calendar; a row is put together here, not by templates.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import lookup_field
from django.contrib.admin.views.main import IGNORED_PARAMS, ORDER_VAR
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import models
from django.db.models import (
    Case,
    CharField,
    Exists,
    ExpressionWrapper,
    F,
    FloatField,
    Lookup,
    OuterRef,
    Q,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from brands.models import Brand
from brands.periods import local_date, month_start
from brands.services import zone
from budget_system import clock
from budget_system.admin.show import page_url
from budget_system.admin.ui import (
    CELL_CHECKBOX_CLASSES,
    CHECKBOX_CLASSES,
    ROW_CLASSES,
    ChangeList,
    display_for_field,
    display_for_value,
    result_headers,
)
from campaigns.models import Campaign
from enforcement.pace import LEAST_SHARE, is_over, passed_share, ratio
from enforcement.snapshots import zones_in_use
from scheduling.windows import ALWAYS, week_from_text, week_to_text
from spending.models import BudgetPeriod, PeriodKind

MOST_COUNTED = 10_000
"""Rows are counted up to here: “more than 10,000” is known at once, and nobody turns 200 pages."""


# --- Each brand by its own calendar ----------------------------------------------------------------------------------


class LocalDay(NamedTuple):
    """A date that it is now somewhere, and the zones of brands in which it is."""

    day: date
    zones: list[str]


def local_days(now: datetime) -> list[LocalDay]:
    """The two or three dates that it is now, the one with the most zones first."""
    zones: dict[date, list[str]] = {}
    for name in sorted(zones_in_use()):
        zones.setdefault(local_date(zone(name), now), []).append(name)
    return sorted((LocalDay(day, names) for day, names in zones.items()), key=lambda one: -len(one.zones))


class _LimitlessLast(ExpressionWrapper[Case]):
    """Sorts what has no budget behind the rest, whichever way the rest goes."""

    def asc(self, **kwargs: Any) -> Any:
        return super().asc(**{"nulls_last": True, **kwargs})

    def desc(self, **kwargs: Any) -> Any:
        return super().desc(**{"nulls_last": True, **kwargs})


USED_UP = 1e9
"""The share that is used of a budget of 0."""


def share_used(things: type[models.Model], kind: PeriodKind, now: datetime) -> _LimitlessLast:
    """The share of the present daily or monthly budget that is used, in SQL, for sorting and for filters.

    Things without a budget have none (NULL). Only for the others their period is looked up, by its unique key.
    """
    budget = "daily_budget" if kind == PeriodKind.DAY else "monthly_budget"
    zone_path = "timezone" if things is Brand else "brand__timezone"
    zones: dict[date, list[str]] = {}
    for day, names in local_days(now):
        zones.setdefault(day if kind == PeriodKind.DAY else month_start(day), []).extend(names)
    starts = list(zones)
    lookups = [
        When(**{f"{zone_path}__in": zones[start]}, then=_used(kind, start)) for start in starts[1:]
    ]  # the zones of most brands need not be named
    used = Case(*lookups, default=_used(kind, starts[0])) if starts else Value(0.0)
    return _LimitlessLast(
        Case(
            When(**{budget: None}, then=Value(None)),
            When(**{budget: 0}, then=Value(USED_UP)),
            default=Coalesce(used, Value(0.0)) / Cast(F(budget), FloatField()),
            output_field=FloatField(),
        ),
        output_field=FloatField(),
    )


def _used(kind: PeriodKind, start: date) -> Subquery:
    period = BudgetPeriod.objects.filter(scope_id=OuterRef("pk"), kind=kind, starts_on=start).order_by()
    return Subquery(period.values_list(Cast(F("used"), FloatField())), output_field=FloatField())


def over_pace(queryset: models.QuerySet[Any], now: datetime) -> models.QuerySet[Any]:
    """Those whose daily budget is used faster than their open day goes by. SQL narrows, enforcement.pace decides.

    A brand's day is open whenever one of its campaigns may run.
    """
    share = share_used(queryset.model, PeriodKind.DAY, now)
    limited = queryset.filter(daily_budget__gt=0).order_by().annotate(share=share, text=as_text("pk"))
    passed = cache(lambda weeks, name: passed_share(map(week_from_text, weeks), zone(name), now))
    rows: Iterable[tuple[str, float, frozenset[str], str]]
    if queryset.model is Brand:
        # Most brands have a campaign around the clock, and are open with it: the weeks of the others need not be read.
        around = Exists(Campaign.objects.current().filter(brand=OuterRef("pk"), week__in=AROUND_THE_CLOCK))
        shares = limited.annotate(around=around).values_list("text", "share", as_text("timezone"), "around")
        likely = [row for row in shares if row[1] >= LEAST_SHARE]
        weeks = _weeks_of([pk for pk, _, _, always_open in likely if not always_open])
        rows = ((pk, used, weeks.get(pk, _ALWAYS_OPEN), name) for pk, used, name, _ in likely)
    else:
        found = limited.values_list("text", "share", "week", as_text("brand__timezone"))
        rows = ((pk, used, frozenset((week,)), name) for pk, used, week, name in found if used >= LEAST_SHARE)
    return queryset.filter(pk__any_of=[pk for pk, used, week, name in rows if is_over(used, passed(week, name))])


def as_text(path: str) -> Cast:
    """As the database has it: making a UUID or a time zone of each of many thousands takes longer than the query."""
    return Cast(path, CharField())


AROUND_THE_CLOCK = (week_to_text(None), week_to_text(ALWAYS))
"""The compiled weeks that are open at every moment, whatever else is open beside them."""
_ALWAYS_OPEN = frozenset(AROUND_THE_CLOCK[:1])


def _weeks_of(brand_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """The compiled weeks of the current campaigns of these brands."""
    weeks: dict[str, set[str]] = {}
    campaigns = Campaign.objects.current().filter(Q(brand__pk__any_of=brand_ids)).order_by()
    for brand_id, week in campaigns.values_list(as_text("brand_id"), "week"):
        weeks.setdefault(brand_id, set()).add(week)
    return {brand_id: frozenset(texts) for brand_id, texts in weeks.items()}


@models.UUIDField.register_lookup
class AnyOf(Lookup[bool]):
    """Like `in`, for thousands of ids as the database has them: one parameter instead of one each."""

    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, params = self.process_lhs(compiler, connection)
        return f"{left} = ANY(%s::uuid[])", (*params, f"{{{','.join(self.rhs)}}}")

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, params = self.process_lhs(compiler, connection)
        return f"{left} IN (SELECT value FROM json_each(%s))", (*params, json.dumps(self.rhs))  # noqa: S608


def pace_of(thing: Brand | Campaign, used: Decimal, weeks: Iterable[str], now: datetime) -> float | None:
    """How many times as fast as its day a thing spends, if that is well too fast; else None.

    `weeks` are the compiled weeks of the campaigns that may spend its budget: a campaign's own, or all of a brand's.
    """
    if not thing.daily_budget:
        return None
    share = float(used / thing.daily_budget)
    if share < LEAST_SHARE:
        return None
    place = thing.zone if isinstance(thing, Brand) else thing.brand.zone
    passed = passed_share(map(week_from_text, weeks), place, now)
    return ratio(share, passed) if is_over(share, passed) else None


def pace_text(pace: float) -> str:
    """“Over pace: 1.6 times as fast as its day”."""
    if pace == float("inf"):
        return "Over pace: spent before its hours open"
    return f"Over pace: {pace:.1f} times as fast as its day" if pace < 100 else "Over pace: its day has hardly begun"


def weeks_of(brands: Iterable[Brand]) -> dict[UUID, frozenset[str]]:
    """The compiled weeks of the current campaigns of these brands, in one query; without any, it is always open."""
    some = list(brands)
    # Databases write ids with hyphens or without, and read both.
    found = {pk.replace("-", ""): weeks for pk, weeks in _weeks_of([brand.pk.hex for brand in some]).items()}
    return {brand.pk: found.get(brand.pk.hex, _ALWAYS_OPEN) for brand in some}


def paces_of(brands: Iterable[Brand], used: Mapping[UUID, Decimal], now: datetime) -> dict[UUID, float]:
    """The brands among these that are over pace, and how many times as fast as their day."""
    likely = [one for one in brands if one.daily_budget and float(used[one.pk] / one.daily_budget) >= LEAST_SHARE]
    weeks = weeks_of(likely) if likely else {}
    found = {brand.pk: pace_of(brand, used[brand.pk], weeks[brand.pk], now) for brand in likely}
    return {pk: pace for pk, pace in found.items() if pace is not None}


# --- Pages of a list -------------------------------------------------------------------------------------------------


class BoundedPaginator(Paginator[Any]):
    """Counts to `MOST_COUNTED` and no further."""

    template_name = "budget/pagination.html"

    @cached_property
    def counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[: MOST_COUNTED + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self.counted, MOST_COUNTED)

    @property
    def count_text(self) -> str:
        return f"{self.count:,}"

    @property
    def has_more(self) -> bool:
        """Whether there are rows that were not counted."""
        return self.counted > MOST_COUNTED


class Page(ChangeList):
    """One page of a list: its figures are fetched for its rows only, in as many queries for one row as for fifty."""

    orders = False

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        if not self.is_popup:
            self.title = capfirst(str(self.opts.verbose_name_plural))

    def get_filters(self, request: HttpRequest) -> Any:
        if any("\x00" in value for values in self.filter_params.values() for value in values):
            raise IncorrectLookupParameters("PostgreSQL cannot compare with NUL.")
        try:
            return super().get_filters(request)
        except DisallowedModelAdminLookup as error:
            raise IncorrectLookupParameters(str(error)) from error

    def get_ordering(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        self.orders = True
        try:
            return super().get_ordering(request, queryset)
        finally:
            self.orders = False

    def get_ordering_field(self, field_name: Any) -> Any:
        """Some columns are sorted by what has to be worked out now; headers ask too, and need only a name."""
        admin_of_rows: Any = self.model_admin
        worked_out = getattr(admin_of_rows, "orderings", {}).get(field_name) if self.orders else None
        return super().get_ordering_field(field_name) if worked_out is None else worked_out(clock.now())

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.query or self.has_active_filters):
            self.full_result_count = self.result_count  # nothing is hidden, so nothing more is offered
        # Keys first: to skip to a far page, the joins of all the rows before it are not needed.
        keys = list(self.result_list.select_related(None).values_list("pk", flat=True))
        found = {row.pk: row for row in self.apply_select_related(self.root_queryset.filter(pk__in=keys))}
        rows = [found[key] for key in keys if key in found]
        admin_of_rows: Any = self.model_admin
        admin_of_rows.dress(rows, clock.now())
        self.result_list = rows

    def rendered(self) -> dict[str, Any]:
        """The headers and the rows, for the template.

        The theme works out all headers anew for each row and renders templates for checkboxes: with fifty rows that is
        more than half of a page's time.
        """
        headers = [
            self._most_first(name, header) for name, header in zip(self.list_display, result_headers(self), strict=True)
        ]
        cells = [
            _Cells(self, str(name), header["text"]) for name, header in zip(self.list_display, headers, strict=True)
        ]
        rows = ((_STRIPES[number % 2], _row(cells, row)) for number, row in enumerate(self.rows))
        return {
            "headers": headers,
            "sorted": sum(1 for header in headers if header.get("sorted")),
            "rows": format_html_join("", _ROW, rows),
        }

    def _most_first(self, name: Any, header: dict[str, Any]) -> dict[str, Any]:
        """A column that is sorted by a share says so, and its first click puts first what has used most."""
        if name not in getattr(self.model_admin, "orderings", {}):
            return header
        said = {**header, "by": "by % of the budget"}
        if header["sorted"]:
            return said
        others = [f"{'-' * (way == 'desc')}{column}" for column, way in self.get_ordering_field_columns().items()]
        order = ".".join([f"-{list(self.list_display).index(name)}", *others])
        return {**said, "url_primary": self.get_query_string({ORDER_VAR: order})}

    @property
    def rows(self) -> list[Any]:
        return list(self.result_list)


# --- Filters ---------------------------------------------------------------------------------------------------------


def filters_in_words(changelist: Any, request: HttpRequest) -> list[str]:
    """What a list is narrowed to: “brand: Acme”, “search: summer”."""
    told, known = [], set()
    for spec in changelist.filter_specs:
        names = {str(name) for name in spec.expected_parameters()}
        known |= names
        values = {name: request.GET[name] for name in sorted(names) if request.GET.get(name)}
        told += [f"{spec.title}: {_in_words(spec, name, value)}" for name, value in values.items()]
    rest = {name for name, value in request.GET.items() if value} - known - {*IGNORED_PARAMS, "p"}
    told += [f"{name.split('__')[0].replace('_', ' ')}: as linked" for name in sorted(rest)]
    return [*told, f"search: {changelist.query}"] if changelist.query else told


def _in_words(spec: Any, name: str, value: str) -> str:
    if isinstance(spec, SimpleListFilter):
        return str(dict(spec.lookup_choices).get(value, value))
    if spec.field.is_relation:
        listed: Any = spec.model_admin.admin_site.get_model_admin(spec.field.related_model)
        try:
            found = listed.get_queryset(spec.request).filter(pk=value).first()
        except (ValueError, ValidationError):
            found = None
        return str(found or "not found")
    choices = {str(code): str(label) for code, label in spec.field.flatchoices}
    end = {"_from": "from ", "_to": "to "}.get(name[name.rfind("_") :], "")
    return f"{end}{choices.get(value, value)}"


# --- Rows ------------------------------------------------------------------------------------------------------------


_ROW = (
    '<tbody class="block relative lg:table-row-group {}"><tr class="data-row block border border-base-200 mb-3 relative'
    ' rounded-default lg:table-row lg:border-none lg:mb-0 lg:rounded-none dark:border-base-800">{}</tr></tbody>'
)
_STRIPES = ("", "bg-base-50 dark:bg-white/[.02]")
_CLASSES = " ".join(name for name in ROW_CLASSES if name not in ("h-[45px]", "overflow-hidden"))
"""The theme's, without what would cut off two lines on a phone."""


def _row(cells: Sequence["_Cells"], row: models.Model) -> SafeString:
    return format_html_join("", "{}", ((one.cell(row),) for one in cells))


class _Cells:
    """The cells of one column: what they share is put together once a page."""

    def __init__(self, changelist: Any, name: str, title: object) -> None:
        links = changelist.list_display_links
        first = next(one for one in changelist.list_display if one != "action_checkbox")
        self.name, self.model_admin = name, changelist.model_admin
        self.page = f"{changelist.opts.app_label}_{changelist.opts.model_name}"
        self.linked = links is not None and (name in links or (not links and name == first))
        self.popup = changelist.is_popup
        self.empty = self.model_admin.get_empty_value_display()
        self.filters = _preserved(changelist) if self.linked else ""
        tag = SafeString('th scope="row"') if self.linked else SafeString("td")
        self.opening = format_html('<{} class="field-{} {}" data-label="{}">', tag, name, _CLASSES, title)
        self.closing = SafeString("</th>" if self.linked else "</td>")

    def cell(self, row: models.Model) -> SafeString:
        if self.name == "action_checkbox":
            return format_html(_CHECKBOX, row.pk, row)
        shown = self._value(row)
        if self.linked:
            url = f"{page_url(self.page, row.pk)}{self.filters}"
            opener = format_html(' data-popup-opener="{}"', row.pk) if self.popup else ""
            shown = format_html('<a href="{}" class="{}"{}>{}</a>', url, _LINK, opener, shown)
        return format_html("{}{}{}", self.opening, shown, self.closing)

    def _value(self, row: models.Model) -> object:
        field, attribute, value = lookup_field(self.name, row, self.model_admin)
        if field is None or field.auto_created:
            return display_for_value(value, self.empty, getattr(attribute, "boolean", False))
        return display_for_field(value, field, self.empty)


def _preserved(changelist: Any) -> str:
    """What an address ends in, so that its page leads back to the list as it was."""
    page = page_url(f"{changelist.opts.app_label}_{changelist.opts.model_name}", "0")
    kept = {"preserved_filters": changelist.preserved_filters, "opts": changelist.opts}
    return str(add_preserved_filters(kept, page)).removeprefix(page)


_LINK = "text-link"
"""As `show.link` has it."""
_CHECKBOX = (
    f'<td class="{" ".join(CELL_CHECKBOX_CLASSES)}" data-label="Select"><input type="checkbox" name="_selected_action"'
    f' value="{{}}" class="{CHECKBOX_CLASSES}" aria-label="Select {{}}"></td>'
)
