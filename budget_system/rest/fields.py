"""Fields of inputs and answers, and the serializer that refuses what it does not know."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from budget_system import money

_ZONELESS = re.compile("[0-9:.]*")
LONGEST_REASON = 1_000
_PATTERN = r"^[+-]?[0-9]{1,13}(\.[0-9]{1,6})?$"


@extend_schema_field({"type": "string", "pattern": _PATTERN, "example": "25.00"})
class Amount(serializers.Field[Any, Any, str, Any]):
    """An amount of money: a string with the decimals of its currency, such as "25.00".

    A JSON number is taken too, digit for digit, never as a float. `currency_of` tells the currency of the thing that
    is shown.
    """

    default_error_messages = {"invalid": "Write an amount as a string, such as “25.00”."}

    def __init__(
        self, currency_of: Callable[[Any], str] = lambda thing: str(thing.brand.currency), **kwargs: Any
    ) -> None:
        self.currency_of = currency_of
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, str | int | Decimal):
            self.fail("invalid")
        try:
            return money.parse_amount(str(data))
        except money.InvalidAmount as error:
            raise ValidationError(str(error), code="invalid_amount") from error

    def get_attribute(self, instance: Any) -> tuple[Decimal, str] | None:
        amount = super().get_attribute(instance)
        return None if amount is None else (amount, self.currency_of(instance))

    def to_representation(self, value: tuple[Decimal, str]) -> str:
        return money.exact_text(*value)


class Moment(serializers.DateTimeField):
    """A moment, which must say its zone: one without is another one in each zone."""

    default_error_messages = {"naive": "Say the time zone too, such as 2026-01-31T12:00:00+01:00 or …Z."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"default_timezone": UTC, **kwargs})

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("naive")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            self.fail("overflow")


class Id(serializers.UUIDField):
    """A UUID, as a string. REST framework takes numbers too: 1 of one client would be 1 of every other."""

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str | UUID):
            self.fail("invalid", value=data)
        found: UUID = super().to_internal_value(data)
        return found


@extend_schema_field({"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}(:[0-9]{2})?$", "example": "09:00:00"})
class LocalTime(serializers.TimeField):
    """A time of day in the brand's time zone. One that names a zone is refused: REST framework would drop the zone."""

    default_error_messages = {"zoned": "Write the time in the brand's time zone, without a zone, such as 09:00:00."}

    def to_internal_value(self, value: Any) -> time:
        if isinstance(value, str) and not _ZONELESS.fullmatch(value):
            self.fail("zoned")
        found: time = super().to_internal_value(value)
        return found


class Strict(serializers.Serializer[Any]):
    """A serializer that says which names it does not know and which it only answers, instead of dropping them."""

    def to_internal_value(self, data: Any) -> Any:
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            errors = {str(name): [problem] for name in data if (problem := self._not_taken(name)) is not None}
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            detail = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
            raise ValidationError({**detail, **errors}) from error
        if errors:
            raise ValidationError(errors)
        return values

    def _not_taken(self, name: object) -> ErrorDetail | None:
        field = self.fields.get(str(name))
        if field is None:
            return ErrorDetail("There is no such field.", "unknown_field")
        if field.read_only:
            return ErrorDetail("This is an answer, not an input: leave it out.", "read_only_field")
        return None


class Text(serializers.CharField):
    """A text. REST framework takes numbers too: 007 would be 7, and 1e3 would be 1000.0."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


def text(**kwargs: Any) -> serializers.CharField:
    """A text whose content the domain checks: it may be empty and is not trimmed here."""
    return Text(**{"allow_blank": True, "trim_whitespace": False, **kwargs})


def version() -> serializers.IntegerField:
    """The version of a thing; handed in with a change, it guards what somebody else has changed meanwhile."""
    return serializers.IntegerField(
        required=False, min_value=1, help_text="In a change: the version you have seen. 409 if it is another one now."
    )


def reason_of_change() -> serializers.CharField:
    return text(
        required=False, write_only=True, max_length=LONGEST_REASON, help_text="In a change: why, for the record."
    )


class ReasonSerializer(Strict):
    """Why, for the record."""

    reason = text(required=False, default="", max_length=LONGEST_REASON)


class NeededReasonSerializer(Strict):
    """Why, for the record."""

    reason = text()
