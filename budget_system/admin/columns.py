"""Which columns of a list are shown: all, the essential ones, or what the screen has room for. Kept by the browser, so
that a phone and a desk each keep their own."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

PARAM = "columns"
AUTO = "auto"
CHOICES = {
    AUTO: ("by screen", "All on a wide screen, the essential ones on a small one"),
    "few": ("essential", "Only the essential ones, on any screen"),
    "all": ("all", "All of them, on any screen"),
}
YEAR_S = 365 * 24 * 3600


def remember_columns(model_admin: Any, request: HttpRequest) -> HttpResponse | None:
    """Keep what was chosen by a link, and lead back to the list without it; None if nothing was."""
    if request.method != "GET" or PARAM not in request.GET:
        return None
    rest = request.GET.copy()
    chosen = str(rest.pop(PARAM)[-1])
    response = HttpResponseRedirect(f"{request.path}?{rest.urlencode()}" if rest else request.path)
    if chosen in CHOICES:
        response.set_cookie(
            _cookie(model_admin), chosen, max_age=YEAR_S, path=request.path, samesite="Lax", secure=request.is_secure(),
            httponly=True,
        )  # fmt: skip
    return response


def columns_context(model_admin: Any, request: HttpRequest) -> dict[str, Any]:
    """What the tools above a list show."""
    if not model_admin.essentials:
        return {}
    kept = request.COOKIES.get(_cookie(model_admin), AUTO)
    chosen = kept if kept in CHOICES else AUTO
    rest = request.GET.copy()
    choices = []
    for code, (title, help_text) in CHOICES.items():
        rest[PARAM] = code
        choices.append({"code": code, "title": title, "help": help_text, "url": f"?{rest.urlencode()}"})
    hidden = [name for name in model_admin.list_display if name not in model_admin.essentials]
    return {
        "columns_choice": chosen,
        "column_choices": choices,
        "hidden_columns": [] if chosen == "all" else hidden,
    }


def _cookie(model_admin: Any) -> str:
    return f"columns_{model_admin.opts.app_label}_{model_admin.opts.model_name}"
