"""Model fields that more than one room uses."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.forms import DecimalField, Field

from budget_system import money


class MoneyField(models.Field[Any, Any]):
    """An amount of money: integer micros in the database, `Decimal` everywhere else.

    SQLite's own decimal type is a float, and floats lose cents; integers compare and add exactly.
    """

    description = "An amount of money"

    def get_internal_type(self) -> str:
        return "BigIntegerField"

    def from_db_value(self, value: int | None, expression: object, connection: object) -> Decimal | None:
        return None if value is None else money.from_micros(value)

    def to_python(self, value: object) -> Decimal | None:
        if value is None or value == "":
            return None
        try:
            amount = value if isinstance(value, Decimal) else money.parse_amount(str(value))
            money.to_micros(amount)
        except money.InvalidAmount as error:
            raise ValidationError(str(error), code="invalid_amount") from error
        return amount

    def get_prep_value(self, value: object) -> Any:
        if value is None or hasattr(value, "resolve_expression"):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            value = Decimal(value)
        if not isinstance(value, Decimal):
            raise money.InvalidAmount(f"{value!r} is not a Decimal")
        return money.to_micros(value, limit=money.MAX_TOTAL_MICROS)

    def formfield(self, *args: Any, **kwargs: Any) -> Field | None:
        defaults: dict[str, Any] = {
            "form_class": DecimalField, "max_digits": 19, "decimal_places": 6, "required": not self.blank,
            "label": self.verbose_name.capitalize(), "help_text": self.help_text,
        }  # fmt: skip
        defaults.update({k: v for k, v in kwargs.items() if k in {"form_class", "widget", "required", "label"}})
        form_class = defaults.pop("form_class")
        field: Field = form_class(**defaults)
        return field


class CountField(MoneyField):
    """A count that may have decimals, such as a conversion shared between ads; kept exactly, like money."""

    description = "An exact count"
