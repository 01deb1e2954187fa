"""Pages that ask before they act: GET shows a form, POST makes one domain call, a message says what happened."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone

from budget_system.admin import show
from budget_system.admin.base import UseCaseAdmin
from budget_system.admin.budget_guard import Unconfirmed
from budget_system.admin.ui import ActionVariant
from budget_system.errors import Refused

Action = Callable[..., HttpResponse]
"""A method `(self, request, obj)` of an admin."""


def object_action(
    title: str, *, path: str, needs: str | None = None, icon: str = "", danger: bool = False
) -> Callable[[Action], Any]:
    """Make a method `(request, obj)` an action on an object's page: permission, existence and offer are checked.

    `needs` is the permission, such as `campaigns.pause_campaign`; without it, the one to change such things.
    """

    def decorate(function: Action) -> Any:
        @wraps(function)
        def view(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
            if not model_admin.has_view_permission(request) or not model_admin.may(request, needs):
                raise PermissionDenied
            obj = model_admin.get_object(request, unquote(object_id))
            if obj is None:
                missing: HttpResponse = model_admin._get_obj_does_not_exist_redirect(
                    request, model_admin.opts, object_id
                )
                return missing
            if name not in model_admin.offered(obj):
                model_admin.message_user(
                    request,
                    f"“{title.rstrip('…')}” is not possible for “{obj}” as it stands now. Nothing was changed.",
                    messages.WARNING,
                )
                return HttpResponseRedirect(model_admin.url_of(obj))
            return function(model_admin, request, obj)

        name: str = view.__name__
        marked: Any = view
        marked.short_description = title
        marked.url_path = path
        marked.needs = needs
        marked.icon = icon or None
        marked.variant = ActionVariant.DANGER if danger else ActionVariant.DEFAULT
        marked.attrs = {}
        marked.original_function_name = name
        return view

    return decorate


class ActionsAdmin(UseCaseAdmin[Any]):
    """An admin with object actions: only those that make sense for the object are shown and carried out."""

    def offered(self, obj: Any) -> Iterable[str]:
        """The names of the actions that are possible for this object as it stands."""
        raise NotImplementedError

    def may(self, request: HttpRequest, needs: str | None) -> bool:
        return self.may_change(request) if needs is None else request.user.has_perm(needs)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        obj = self.get_object(request, unquote(str(object_id)))
        if obj is None:
            return []
        prefix = f"{self.opts.app_label}_{self.opts.model_name}_"
        names = {prefix + name for name in self.offered(obj) if self.may(request, getattr(self, name).needs)}
        return [action for action in super().get_actions_detail(request, object_id) if action.action_name in names]


def ask(
    model_admin: UseCaseAdmin[Any],
    request: HttpRequest,
    obj: Any,
    *,
    title: str,
    button: str,
    form_class: Callable[..., forms.Form],
    run: Callable[[Any], object],
    intro: Iterable[object] = (),
    zone: ZoneInfo | None = None,
    danger: bool = False,
    initial: dict[str, Any] | None = None,
    foresee: Callable[[Any], object] | None = None,
) -> HttpResponse:
    """Ask on a page of its own, then `run(form)`. What it refuses is shown on the form; moments are in `zone`.

    If `run` gives an answer, that is shown next, else the page of `obj`. With `foresee`, a second button shows what
    would come of what was filled in, and does nothing else.
    """
    with timezone.override(zone or ZoneInfo("UTC")):
        posted = request.method == "POST"
        form = form_class(request.POST) if posted else form_class(initial=initial)
        foreseen: object = ""
        if posted and form.is_valid():
            try:
                if foresee is not None and "_foresee" in request.POST:
                    foreseen = foresee(form)
                else:
                    following = run(form)
                    return following if isinstance(following, HttpResponse) else _back_to(model_admin, obj)
            except Unconfirmed as question:
                vars(form)["refusal"] = question
            except Refused as error:
                form.add_error(error.field if error.field in form.fields else None, error.message)
        return _page(
            model_admin, request, form, title=title, button=button, intro=intro, danger=danger,
            back=model_admin.url_of(obj), subtitle=show.full_label(obj), original=obj, foresees=foresee is not None,
            foreseen=foreseen,
        )  # fmt: skip


def _back_to(model_admin: UseCaseAdmin[Any], obj: Any) -> HttpResponse:
    return HttpResponseRedirect(model_admin.url_of(obj))


def _page(
    model_admin: UseCaseAdmin[Any],
    request: HttpRequest,
    form: forms.Form,
    *,
    title: str,
    button: str,
    intro: Iterable[object],
    danger: bool,
    back: str,
    subtitle: str | None,
    original: Any,
    hidden: Sequence[tuple[str, object]] = (),
    foresees: bool = False,
    foreseen: object = "",
) -> HttpResponse:
    request.current_app = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "subtitle": subtitle,
        "about": subtitle,
        "opts": model_admin.opts,
        "original": original,
        "form": form,
        "media": model_admin.media + form.media,
        "intro": intro,
        "button": button,
        "danger": danger,
        "back": back,
        "hidden": hidden,
        "foresees": foresees,
        "foreseen": foreseen,
    }
    return render(request, "budget/ask.html", context)
