"""What each role may do. Roles are Django groups; a person has the permissions of all groups they are in.

`ROLES` is the whole truth about the four groups of the system: every `migrate` puts them as they are here. Who needs
another mixture makes a group of their own.

To enter the admin a person needs Django's flag “staff status” as well. Without it, only tokens act for them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db.models import Q


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    MANAGER = "manager"
    ADMINISTRATOR = "administrator"


VIEW = frozenset(
    {
        "brands.view_brand", "brands.view_auditentry", "campaigns.view_campaign", "campaigns.view_override",
        "campaigns.view_statechange", "scheduling.view_schedule", "spending.view_spend", "spending.view_spendrevision",
        "spending.view_budgetperiod", "spending.view_forcedreset", "spending.view_reservation",
        "platforms.view_account", "platforms.view_steering", "platforms.view_remotestate", "platforms.view_act",
        "platforms.view_outgoing", "spending.view_spendimport", "spending.view_daymetrics", "enforcement.view_run",
        "alerts.view_alert", "alerts.view_alertrule",
    }
)  # fmt: skip
SPEND = frozenset({"spending.add_spend", "spending.add_reservation", "spending.change_reservation"})
"""Handing in spend, and asking whether money may be spent: what a machine does all day."""
OPERATE = frozenset(
    {
        "platforms.change_remotestate", "platforms.stop_outgoing",
        "spending.add_spendimport", "campaigns.pause_campaign", "brands.emergency_stop", "scheduling.add_schedule",
        "scheduling.change_schedule", "scheduling.delete_schedule", "alerts.change_alert",
    }
)  # fmt: skip
MANAGE = frozenset(
    {
        "brands.add_brand", "brands.change_brand", "brands.delete_brand", "brands.change_budget",
        "brands.clear_emergency_stop", "brands.force_reset", "campaigns.add_campaign", "campaigns.change_campaign",
        "campaigns.delete_campaign", "campaigns.override_campaign", "spending.change_spend", "spending.delete_spend",
        "platforms.add_account", "platforms.change_account", "platforms.change_steering", "platforms.resume_outgoing",
        "spending.change_spendimport", "delivery.view_endpoint", "delivery.add_endpoint", "delivery.change_endpoint",
        "delivery.view_delivery", "delivery.change_delivery", "delivery.view_receiver", "delivery.add_receiver",
        "delivery.change_receiver", "alerts.add_alertrule", "alerts.change_alertrule",
    }
)  # fmt: skip
ADMINISTER = frozenset(
    {
        "access.all_brands", "access.restore", "access.view_apitoken", "access.add_apitoken", "access.change_apitoken",
        "access.view_membership", "access.add_membership", "access.delete_membership", "access.view_failedlogin",
        "access.delete_failedlogin", "access.view_login", "auth.view_user", "auth.add_user", "auth.change_user",
        "auth.view_group",
    }
)  # fmt: skip

ROLES: Mapping[Role, frozenset[str]] = {
    Role.VIEWER: VIEW,
    Role.OPERATOR: VIEW | SPEND | OPERATE,
    Role.MANAGER: VIEW | SPEND | OPERATE | MANAGE,
    Role.ADMINISTRATOR: VIEW | SPEND | OPERATE | MANAGE | ADMINISTER,
}


def make_groups(**_: Any) -> None:
    """Make the four groups, each with exactly its role's permissions."""
    for config in apps.get_app_configs():
        create_permissions(config, verbosity=0)
    for role, names in ROLES.items():
        wanted = Q()
        for name in names:
            app, codename = name.split(".")
            wanted |= Q(content_type__app_label=app, codename=codename)
        group, _made = Group.objects.get_or_create(name=role.value)
        group.permissions.set(Permission.objects.filter(wanted))
