"""The base of every admin here: nothing is written but through one use case, nothing is deleted, and nobody sees
what belongs to brands that they do not work for.

Django's admin saves the object that its form has filled. Ours hands the changed fields to a use case, which locks,
checks the version, writes, and evaluates in a transaction of its own; what it refuses becomes an error of the form.
Its lists, pages, actions, choices and searches all begin at `get_queryset`: who sees what is decided there.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import NON_FIELD_ERRORS, ImproperlyConfigured
from django.db import models
from django.db.models import Field, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from access.callers import Caller, caller_of
from budget_system import clock
from budget_system.admin.budget_guard import Unconfirmed
from budget_system.admin.columns import columns_context, remember_columns
from budget_system.admin.export import export_view, is_exportable
from budget_system.admin.forms import AmountField, UseCaseForm
from budget_system.admin.lists import BoundedPaginator, Page
from budget_system.admin.notes import note as note
from budget_system.admin.notes import noted as noted
from budget_system.admin.search import campaigns_with
from budget_system.admin.show import campaign_label, limit
from budget_system.admin.ui import ModelAdmin
from budget_system.errors import Refused
from budget_system.fields import MoneyField
from campaigns.models import Campaign

M = TypeVar("M", bound=models.Model)

MATCHED_CAMPAIGNS = 1_000
"""How many campaigns a search by name looks into."""


def actor_of(request: HttpRequest) -> str:
    """Who asks, as the records name them."""
    return caller_of(request).name


class Panel(NamedTuple):
    """Read-only figures above or below the form of a page."""

    title: str
    content: SafeString


class OwnTransactions(admin.ModelAdmin[M]):
    """Django wraps these views in a transaction. A use case is one, and refuses to be part of another."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        return self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined]


class RoomAdmin(ModelAdmin[M], OwnTransactions[M]):
    """A list and pages to read. Adding, changing and deleting are off unless a subclass has a use case for them."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 50
    list_disable_select_all = True
    list_filter_submit = True
    paginator = BoundedPaginator
    change_list_template = "budget/change_list.html"
    list_before_template = "budget/list_tools.html"
    compressed_fields = True
    warn_unsaved_form = True
    change_form_outer_before_template = "budget/panels_above.html"
    change_form_before_template = "budget/hidden_fields.html"
    change_form_outer_after_template = "budget/panels_below.html"
    adds_several = True
    empty_text = "Nothing here yet."
    """What an empty list says, with the next step."""
    essentials: Sequence[str] = ()
    """The columns that a small screen shows, if they are not all."""
    orderings: Mapping[str, Callable[[datetime], Any]] = {}
    """Columns that are sorted by what has to be worked out at a moment: an expression of it."""
    campaign_path: str | None = None
    """Where a search by campaign looks: the path to it, resolved first so that a large table is read by its index."""
    other_search: Sequence[str] = ()
    """Further conditions of a search, as lookups."""
    brand_path: str | None
    """The path from a thing to its brand; None if it belongs to none and everybody may see it who may see its kind."""

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[M]:
        return self.visible(super().get_queryset(request), caller_of(request))

    def visible(self, things: models.QuerySet[M], caller: Caller) -> models.QuerySet[M]:
        """Those that the caller may see."""
        if not hasattr(self, "brand_path"):
            raise ImproperlyConfigured(f"{type(self).__name__} must say by brand_path who sees what it shows.")
        return things if self.brand_path is None else caller.only_theirs(things, self.brand_path)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(db_field, request, **self.with_choices(db_field, request, kwargs))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(db_field, request, **self.with_choices(db_field, request, kwargs))

    def with_choices(self, db_field: Any, request: HttpRequest, kwargs: dict[str, Any]) -> dict[str, Any]:
        """What may be chosen is what the list of such things shows."""
        listed = self.admin_site._registry.get(db_field.related_model)
        return {"queryset": listed.get_queryset(request), **kwargs} if isinstance(listed, RoomAdmin) else kwargs

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """The same words whether it never was, belongs to others, or is archived and out of sight."""
        self.message_user(
            request, f"There is no such {opts.verbose_name}, or it is not yours to see.", messages.WARNING
        )
        return HttpResponseRedirect(reverse("admin:index"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def may_change(self, request: HttpRequest) -> bool:
        """Whether Django's permission to change this model was given to the user."""
        return super().has_change_permission(request)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Page]:
        return Page

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        chosen = remember_columns(self, request)
        if chosen is not None:
            return chosen
        tools = {"exportable": is_exportable(self), **columns_context(self, request)}
        return super().changelist_view(request, {**(extra_context or {}), **tools})

    def get_urls(self) -> list[URLPattern]:
        if not is_exportable(self):
            return super().get_urls()
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", self.admin_site.admin_view(partial(export_view, self)), name=name), *super().get_urls()]

    def dress(self, rows: list[M], now: datetime) -> None:
        """Fetch what the columns of these rows show."""

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[M], search_term: str
    ) -> tuple[models.QuerySet[M], bool]:
        if self.campaign_path is None:
            return super().get_search_results(request, queryset, search_term)
        term = search_term.strip()
        if not term:
            return queryset, False
        # Only theirs: the first so many of all brands' campaigns might have none of them.
        matches = (
            caller_of(request)
            .only_theirs(Campaign.objects.all())
            .filter(campaigns_with(term))
            .values_list("pk", flat=True)
        )
        found = Q(**{f"{self.campaign_path}__in": list(matches[:MATCHED_CAMPAIGNS])})
        return queryset.filter(found | self.searched_elsewhere(request, term)), False

    def searched_elsewhere(self, request: HttpRequest, term: str) -> Q:
        """Where else a search looks than in campaigns and their brands."""
        return Q(*((lookup, term) for lookup in self.other_search), _connector=Q.OR)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What happened to a thing is in the audit record."""
        url = reverse("admin:brands_auditentry_changelist")
        return HttpResponseRedirect(f"{url}?{urlencode({'object_id': object_id})}")

    def panels_above(self, obj: M, now: datetime) -> Sequence[Panel]:
        return ()

    def panels_below(self, obj: M, now: datetime) -> Sequence[Panel]:
        return ()

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: M | None = None,
    ) -> HttpResponse:
        context["show_save_and_continue"] = False  # a saved page opens again in any case
        context["show_save_and_add_another"] = add and self.adds_several
        if obj is not None:
            now = clock.now()
            above = self.panels_above(obj, now)
            context["panels_above"] = () if context["errors"] else above  # first what was wrong or is to be confirmed
            form = context["adminform"].form
            if isinstance(getattr(form, "refusal", None), Unconfirmed):
                # A question, which has a box of its own: nothing that was typed is wrong.
                form.errors.pop(NON_FIELD_ERRORS, None)
                context["errors"] = ()
            context["panels_below"] = self.panels_below(obj, now)
        return super().render_change_form(request, context, add=add, change=change, form_url=form_url, obj=obj)


class RecordAdmin(RoomAdmin[M]):
    """Written once and kept: read only, for everybody."""


class UseCaseAdmin(RoomAdmin[M]):
    """Adding and changing, through one use case each."""

    form = UseCaseForm
    opens_after_add = False
    inputs: Sequence[str] = ()
    budgets: Sequence[str] = ()
    """The inputs that only who may change budgets can change."""

    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        fixed = super().get_readonly_fields(request, obj)
        if self.edits_budgets(request, obj):
            return fixed
        return (*fixed, *self.budgets, *(shown_budget(name) for name in self.budgets))

    def get_fieldsets(self, request: HttpRequest, obj: M | None = None) -> Any:
        """Budgets that cannot be changed are shown in words."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.edits_budgets(request, obj):
            return fieldsets
        in_words: dict[Any, Any] = {name: shown_budget(name) for name in self.budgets}
        return [
            (title, {**options, "fields": [in_words.get(name, name) for name in options["fields"]]})
            for title, options in fieldsets
        ]

    def edits_budgets(self, request: HttpRequest, obj: M | None) -> bool:
        return request.user.has_perm("brands.change_budget") and self.has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super(RoomAdmin, self).has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_change(request) and not (isinstance(obj, models.Model) and self.is_closed(obj))

    def is_closed(self, obj: Any) -> bool:
        """Archived or void: to be read only."""
        return getattr(obj, "archived_at", None) is not None

    def create(self, request: HttpRequest, form: Any, now: datetime) -> M:
        """Call the use case that adds. Gives what it added."""
        raise NotImplementedError

    def change(self, request: HttpRequest, obj: M, form: Any, now: datetime) -> None:
        """Call the use case that changes, with `form.changes(...)` and the version that the person saw."""
        raise NotImplementedError

    def _changeform_view(
        self, request: HttpRequest, object_id: str | None, form_url: str, extra_context: dict[str, Any] | None
    ) -> Any:
        parent: Any = super()
        try:
            return parent._changeform_view(request, object_id, form_url, extra_context)
        except Refused as refusal:
            if request.method != "POST" or hasattr(request, "refusal"):
                raise
            # The use case has changed nothing. The same data once more: the form now finds the refusal, so the page
            # comes back with what was typed and what was wrong with it.
            request.refusal = refusal  # type: ignore[attr-defined]
            return parent._changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.refusal = getattr(request, "refusal", None)  # type: ignore[attr-defined]
        return form

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, MoneyField):
            return amount_field(db_field)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.related_model is Campaign:
            field.queryset = field.queryset.select_related("brand")
            field.label_from_instance = campaign_label
        return field

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        return form.instance

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        if change:
            self.change(request, obj, form, clock.now())
        else:
            vars(obj).update(vars(self.create(request, form, clock.now())))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """What is related has use cases of its own."""

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        return ""

    # The audit record, written by the use case, says more than Django's log of admin pages, and is kept for ever.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return []

    def response_add(self, request: HttpRequest, obj: M, post_url_continue: str | None = None) -> HttpResponse:
        if IS_POPUP_VAR in request.POST:
            return super().response_add(request, obj, post_url_continue)
        if "_addanother" in request.POST:
            return HttpResponseRedirect(request.get_full_path())
        if "_continue" in request.POST or self.opens_after_add:
            return HttpResponseRedirect(self.url_of(obj))
        return self.response_post_save_add(request, obj)

    def response_change(self, request: HttpRequest, obj: M) -> HttpResponse:
        if IS_POPUP_VAR in request.POST:
            return super().response_change(request, obj)
        if "_addanother" in request.POST:
            return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_add"))
        return HttpResponseRedirect(self.url_of(obj))

    def url_of(self, obj: M) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[obj.pk])

    def say(self, request: HttpRequest, message: str, level: int = messages.SUCCESS) -> None:
        self.message_user(request, message, level)


def with_archived(things: models.QuerySet[M], caller: Caller) -> models.QuerySet[M]:
    """Archived ones too for who may restore them."""
    return things if caller.may("access.restore") else things.filter(archived_at=None)


@cache
def shown_budget(name: str) -> Callable[[Any], str]:
    @admin.display(description=name.replace("_", " "))
    def text(thing: Any) -> str:
        return limit(getattr(thing, name), getattr(thing, "brand", thing).currency)

    return text


def amount_field(db_field: Field[Any, Any]) -> AmountField:
    return AmountField(
        required=not db_field.blank,
        label=str(db_field.verbose_name).capitalize(),
        help_text=db_field.help_text,
    )


def query_url(name: str, **params: object) -> str:
    """The address of a list, filtered."""
    return f"{reverse(f'admin:{name}_changelist')}?{urlencode({key: str(value) for key, value in params.items()})}"
