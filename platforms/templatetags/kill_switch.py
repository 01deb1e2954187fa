"""The red line on every page of the admin while no change leaves to any platform."""

from django import template

from platforms.models import Outgoing

register = template.Library()


@register.simple_tag
def outgoing_stop() -> Outgoing | None:
    """The kill switch, if it is on."""
    return Outgoing.objects.filter(stopped_at__isnull=False).first()
