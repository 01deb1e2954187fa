"""The way through the admin, in plain words, and whether the system is at work."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

from budget_system.admin import home


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    app, name = model.split("_")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": _may_see(app, name),
    }


def _pacing(title: str, icon: str, name: str) -> dict[str, Any]:
    """Who sees campaigns sees how they are paced."""
    return {**_item(title, icon, f"pacing_{name}"), "permission": _may_see("campaigns", "campaign")}


def _may_see(app: str, name: str) -> Callable[[HttpRequest], bool]:
    def may_see(request: HttpRequest) -> bool:
        return request.user.has_perm(f"{app}.view_{name}") or request.user.has_perm(f"{app}.change_{name}")

    return may_see


def stylesheet(_: HttpRequest) -> str:
    """What the precompiled classes of the theme cannot say."""
    return static("budget/admin.css")


def favicon(_: HttpRequest) -> str:
    return static("budget/favicon.svg")


def sidebar(_: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the sidebar."""
    return [
        {
            "title": "Today",
            "items": [
                {"title": "Overview", "icon": "home", "link": reverse_lazy("admin:index")},
                _item("Brands", "storefront", "brands_brand"),
                _item("Campaigns", "campaign", "campaigns_campaign"),
                _item("Alerts", "notifications", "alerts_alert"),
            ],
        },
        {
            "title": "Pacing",
            "items": [
                _pacing("Paced campaigns", "speed", "pacedcampaign"),
                _pacing("Pace alerts", "notification_important", "pacealert"),
                _pacing("Breakers", "power_off", "channelbudget"),
                _pacing("Money moved", "swap_horiz", "reallocation"),
            ],
        },
        {
            "title": "Money",
            "items": [
                _item("Spends", "receipt_long", "spending_spend"),
                _item("Reservations", "lock_clock", "spending_reservation"),
                _item("Corrections", "edit_note", "spending_spendrevision"),
                _item("Imports", "upload_file", "spending_spendimport"),
                _item("Metrics", "monitoring", "spending_daymetrics"),
                _item("Budget periods", "calendar_month", "spending_budgetperiod"),
                _item("Forced resets", "restart_alt", "spending_forcedreset"),
            ],
        },
        {
            "title": "Time",
            "items": [
                _item("Schedules", "schedule", "scheduling_schedule"),
                _item("Overrides", "lock_open", "campaigns_override"),
            ],
        },
        {
            "title": "Record",
            "items": [
                _item("State changes", "swap_vert", "campaigns_statechange"),
                _item("Audit", "fact_check", "brands_auditentry"),
                _item("Runs", "sync", "enforcement_run"),
            ],
        },
        {
            "title": "Ad platforms",
            "items": [
                _item("Campaigns at the platforms", "compare_arrows", "platforms_remotestate"),
                _item("Platform accounts", "hub", "platforms_account"),
                _item("Modes", "tune", "platforms_steering"),
                _item("Kill switch", "front_hand", "platforms_outgoing"),
                _item("Acts at platforms", "history", "platforms_act"),
            ],
        },
        {
            "title": "Telling others",
            "items": [
                _item("Receivers", "mail", "delivery_receiver"),
                _item("Alert rules", "rule", "alerts_alertrule"),
                _item("Webhooks", "webhook", "delivery_endpoint"),
                _item("Messages", "outbox", "delivery_delivery"),
            ],
        },
        {
            "title": "Access",
            "items": [
                _item("Users", "person", "auth_user"),
                _item("Roles", "group", "auth_group"),
                _item("Memberships", "badge", "access_membership"),
                _item("API tokens", "key", "access_apitoken"),
                _item("Logins", "login", "access_login"),
                _item("Failed logins", "gpp_bad", "access_failedlogin"),
            ],
        },
    ]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The first page: today."""
    return {**context, "title": "Today", **home.context(request), **home.brand_charts(request)}
