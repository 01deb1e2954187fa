"""Users and groups, in the look of the rest: who may do what, and for which brands."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from access.models import Membership
from access.roles import Role
from access.services import join, leave
from budget_system import clock
from budget_system.admin import show
from budget_system.admin.base import actor_of, note, noted
from budget_system.admin.lists import Page
from budget_system.admin.ui import Checkboxes, TabularInline

if TYPE_CHECKING:
    _UserBases = DjangoUserAdmin[User]
    _GroupBases = DjangoGroupAdmin
else:
    from unfold.admin import ModelAdmin

    class _UserBases(DjangoUserAdmin, ModelAdmin):
        pass

    class _GroupBases(DjangoGroupAdmin, ModelAdmin):
        pass


admin.site.index_title = "Overview"
admin.site.unregister(User)
admin.site.unregister(Group)

ROLES_IN_WORDS = (
    "Viewer: sees, and changes nothing. Operator: also pauses, stops in an emergency, edits schedules, records and "
    "imports spend. Manager: also brands, campaigns, budgets, overrides, resets, and clearing stops. Administrator: "
    "also people, tokens and restoring, for all brands. The others see only the brands that they work for. Several "
    "roles add up."
)
SHOWN_BRANDS = 3
UTC = ZoneInfo("UTC")


def permissions_of(**held: Any) -> set[str]:
    found = Permission.objects.filter(**held).values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in found}


def _grantable(editor: Any) -> QuerySet[Group]:
    """The groups that may do no more than the editor."""
    if editor.is_superuser:
        return Group.objects.all()
    mine = editor.get_all_permissions()
    return Group.objects.filter(
        pk__in=[group.pk for group in Group.objects.all() if permissions_of(group=group) <= mine]
    )


def outranks(person: User, editor: Any) -> bool:
    """Whether `person` may do what `editor` may not: then their login is not `editor`'s to change, or to take over."""
    if editor.is_superuser:
        return False
    theirs = permissions_of(user=person) | permissions_of(group__user=person)
    return person.is_superuser or not theirs <= editor.get_all_permissions()


class BrandsInline(TabularInline[Membership, User]):
    """The brands that a person works for: added and removed by use cases, which write them down."""

    model = Membership
    fields = ("brand",)
    autocomplete_fields = ("brand",)
    extra = 0
    verbose_name = "brand"
    verbose_name_plural = "works for these brands"
    hide_title = True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("brand")


@admin.register(User)
class UserAdmin(_UserBases):
    list_display = ("username", "name", "roles", "works_for", "state", "last_seen")
    list_filter = ("groups", "is_active")
    list_per_page = 50
    list_fullwidth = True
    list_filter_submit = True
    show_full_result_count = False
    inlines = (BrandsInline,)
    filter_horizontal = ("user_permissions",)
    fieldsets = (
        ("Login", {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        (
            "Access",
            {
                "fields": ("is_active", "is_staff", "groups", "is_superuser", "user_permissions"),
                "description": "To enter this admin a person needs staff status beside a role; without it, only tokens "
                "act for them. Who leaves: switch active off, and nothing is lost.",
            },
        ),
        ("Record", {"fields": ("last_seen", "joined")}),
    )
    readonly_fields = ("last_seen", "joined")

    # --- Who may change whom ------------------------------------------------------------------------------------------

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fixed = super().get_readonly_fields(request, obj)
        return fixed if request.user.is_superuser else (*fixed, "is_superuser", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or not outranks(obj, request.user))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # their name stands in the records, and their tokens are kept

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name != "groups":
            return super().formfield_for_manytomany(db_field, request, **kwargs)
        kwargs |= {"queryset": _grantable(request.user), "widget": Checkboxes}
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None:
            field.label = "Roles"
            field.help_text = ROLES_IN_WORDS
        return field

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return () if obj is None else self.inlines

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)
        actor, now = actor_of(request), clock.now()
        for membership in formset.deleted_objects:
            leave(membership.pk, actor, now)
        for membership in formset.new_objects:
            join(form.instance, membership.brand_id, actor, now)

    # --- The list -----------------------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return Page

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        memberships = Prefetch("memberships", Membership.objects.select_related("brand").order_by("brand__name"))
        return super().get_queryset(request).prefetch_related("groups", memberships)

    def dress(self, rows: list[User], now: datetime) -> None:
        all_brands = Permission.objects.filter(content_type__app_label="access", codename="all_brands")
        see_all = set(
            User.objects.filter(
                Q(is_superuser=True) | Q(groups__permissions__in=all_brands) | Q(user_permissions__in=all_brands),
                pk__in=[user.pk for user in rows],
            ).values_list("pk", flat=True)
        )
        for user in rows:
            note(user, user.pk in see_all)

    @admin.display(description="name")
    def name(self, user: User) -> object:
        return user.get_full_name() or show.nothing()

    @admin.display(description="role")
    def roles(self, user: User) -> SafeString | str:
        if user.is_superuser:
            return "Superuser"
        names = [group.name.capitalize() for group in user.groups.all()]
        return ", ".join(names) or show.nothing("none: may do nothing")

    @admin.display(description="works for")
    def works_for(self, user: User) -> SafeString | str:
        if noted(user):
            return "all brands"
        names = [membership.brand.name for membership in user.memberships.all()]
        more = len(names) - SHOWN_BRANDS
        shown = ", ".join(names[:SHOWN_BRANDS]) + (f" and {more} more" if more > 0 else "")
        return shown or show.nothing("no brand: sees nothing")

    @admin.display(description="login")
    def state(self, user: User) -> SafeString:
        if not user.is_active:
            return show.badge("Off", show.BAD)
        return show.badge("Admin and API", show.GOOD) if user.is_staff else show.badge("API only", show.INFO)

    @admin.display(description="last login", ordering="last_login")
    def last_seen(self, user: User) -> str:
        return show.moment(user.last_login, UTC) if user.last_login else "never"

    @admin.display(description="since")
    def joined(self, user: User) -> str:
        return show.moment(user.date_joined, UTC)


@admin.register(Group)
class GroupAdmin(_GroupBases):
    """The four roles are as the system has them; other mixtures are made here, by superusers."""

    list_display = ("name", "kind")
    show_full_result_count = False

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> Any:
        """In words, unless it can be changed."""
        changes = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return ((None, {"fields": ("name", "permissions") if changes else ("name", "kind", "may")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> Any:
        return ("kind", "may")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"title": "Roles", **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        title = "Role" if object_id else "Add a role"
        return super().changeform_view(request, object_id, form_url, {"title": title, **(extra_context or {})})

    @admin.display(description="may")
    def may(self, group: Group) -> SafeString:
        """Its permissions by what they are about."""
        areas: dict[str, list[str]] = {}
        for permission in group.permissions.select_related("content_type").order_by("content_type", "codename"):
            model: Any = permission.content_type.model_class()
            if model is None:
                continue  # of something that is no more
            area = "roles" if model is Group else str(model._meta.verbose_name_plural)
            areas.setdefault(capfirst(area), []).append(_in_words(permission, model))
        rows = [(area, ", ".join(sorted(verbs, key=_usual_order))) for area, verbs in sorted(areas.items())]
        return show.table(["Area", "May"], rows, "Nothing.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser) and not _is_role(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser) and not _is_role(obj)

    @admin.display(description="kind")
    def kind(self, group: Group) -> SafeString:
        return show.badge("Role of the system", show.INFO) if _is_role(group) else show.badge("Your own")


_VERBS = {"view": "see", "add": "add", "change": "change", "delete": "remove"}
_USUAL = list(_VERBS.values())


def _in_words(permission: Permission, model: Any) -> str:
    """“see”, “pause a campaign”."""
    verb = permission.codename.removesuffix(f"_{model._meta.model_name}")
    own = permission.name.removeprefix("Can ")
    return _VERBS.get(verb, own[:1].lower() + own[1:])


def _usual_order(verb: str) -> tuple[int, str]:
    return (_USUAL.index(verb) if verb in _USUAL else len(_USUAL), verb)


def _is_role(group: Group | None) -> bool:
    return group is not None and group.name in set(Role)


if not TYPE_CHECKING:
    from django.contrib.auth.forms import ReadOnlyPasswordHashWidget
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

    class PasswordInWords(ReadOnlyPasswordHashWidget):
        """Whether there is one; how it is scrambled says nothing to a person."""

        def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
            context = super().get_context(name, value, attrs)
            usable = bool(value) and not value.startswith(UNUSABLE_PASSWORD_PREFIX)
            told = "A password is set. Nobody can read it; it can only be replaced." if usable else "No password set."
            return {**context, "summary": [{"label": told}]}

    class PersonForm(UserChangeForm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            if "password" in self.fields:
                self.fields["password"].widget = PasswordInWords()

    UserAdmin.form = PersonForm
    UserAdmin.add_form = UserCreationForm
    UserAdmin.change_password_form = AdminPasswordChangeForm
