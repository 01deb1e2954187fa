"""Forms that hand what a person typed to one use case, and show what it refused."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError

from brands.periods import next_midnight, next_month
from brands.services import check_version
from budget_system import money
from budget_system.admin.ui import INPUT_CLASSES, Radios, Textarea, TextInput
from budget_system.errors import Refused
from campaigns.services import FIRST_DAY, LAST_DAY


class AmountField(forms.CharField):
    """An amount as `money.parse_amount` reads it: Django's own field would take “1e3” and digits of other scripts."""

    widget = TextInput
    currency = "USD"
    """How it is written; a form about a thing sets the thing's own."""
    default_error_messages = {"required": "An amount is needed, such as 1234.56."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return money.parse_amount(text)
        except money.InvalidAmount as error:
            raise ValidationError(str(error), code="invalid_amount") from error

    def prepare_value(self, value: Any) -> Any:
        """The currency's decimals, more where they are not zero; what a person typed stays as it is."""
        return money.exact_text(value, self.currency) if isinstance(value, Decimal) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


class UseCaseForm(forms.ModelForm[Any]):
    """The inputs of one thing. Nothing is written to the instance: the use case checks and writes.

    `expected_version` is what the person saw when the page was opened. `refusal` is what the use case answered to the
    same data a moment before; the form is then shown again with it.
    """

    expected_version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    refusal: ClassVar[Refused | None] = None
    has_version: ClassVar[bool] = True
    helps: ClassVar[Mapping[str, str]] = {}
    """What a person may need to know of a field, in place of the model's few words."""
    version_of = ""
    """The attribute of the instance that holds the versioned thing; the instance itself if empty."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, text in self.helps.items():
            if name in self.fields:
                self.fields[name].help_text = text
        if self.instance._state.adding or not self.has_version:
            del self.fields["expected_version"]
        else:
            self.initial["expected_version"] = self.versioned.version
            brand = getattr(self.instance, "brand", self.instance)
            for field in self.fields.values():
                if isinstance(field, AmountField):
                    field.currency = brand.currency

    @property
    def versioned(self) -> Any:
        return getattr(self.instance, self.version_of) if self.version_of else self.instance

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.refusal is not None:
            self.add_error(self.field_of(self.refusal), self.refusal.message)
        elif "expected_version" in self.fields:
            self._check_version(cleaned.get("expected_version"))
        return cleaned

    def _check_version(self, expected: int | None) -> None:
        """Say early what the use case would say; it checks again under the lock."""
        if expected is None:
            raise ValidationError("This page is not complete. Nothing was saved; reload it and make your change again.")
        try:
            check_version(self.versioned, expected)
        except Refused as error:
            raise ValidationError(error.message) from error

    def field_of(self, error: Refused) -> str | None:
        return error.field if error.field in self.fields else None

    def _post_clean(self) -> None:
        """Leave the instance as it is, so that the page shows what is stored beside what was typed."""

    def changes(self, names: Iterable[str]) -> dict[str, object]:
        return {name: self.cleaned_data[name] for name in names if name in self.changed_data}

    def given(self, names: Iterable[str]) -> dict[str, object]:
        return {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}


class ReasonForm(forms.Form):
    """Asks why."""

    reason = forms.CharField(widget=Textarea(attrs={"rows": 3}), max_length=1000, help_text="Kept with the record.")


class OptionalReasonForm(forms.Form):
    reason = forms.CharField(
        widget=Textarea(attrs={"rows": 3}), max_length=1000, required=False, help_text="Optional; kept with the record."
    )


class LocalMomentField(forms.DateTimeField):
    """A moment by the wall clock of the brand: the page sets its time zone. Gives UTC."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(
            attrs={"type": "datetime-local", "class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%dT%H:%M"
        )
        super().__init__(widget=widget, **kwargs)

    def to_python(self, value: Any) -> datetime | None:
        moment = super().to_python(value)
        if moment is None:
            return None
        if not FIRST_DAY < moment.date() < LAST_DAY:
            raise ValidationError(f"{moment.date()} is not between {FIRST_DAY} and {LAST_DAY}.", code="far")
        return moment.astimezone(UTC)


NO_END, END_OF_DAY, END_OF_MONTH, MOMENT = "none", "day", "month", "moment"


class UntilForm(forms.Form):
    """Asks until when, in the brand's own time."""

    until = forms.ChoiceField(
        widget=Radios,
        choices=[
            (NO_END, "Until a person changes it"),
            (END_OF_DAY, "Until the end of the brand's day"),
            (END_OF_MONTH, "Until the end of the brand's month"),
            (MOMENT, "Until the moment below"),
        ],
        initial=NO_END,
    )
    moment = LocalMomentField(required=False, help_text="In the brand's time zone.")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("until") == MOMENT and not cleaned.get("moment") and "moment" not in self.errors:
            self.add_error("moment", "Say which moment, or choose another end.")
        return cleaned

    def ends_at(self, zone: ZoneInfo, now: datetime) -> datetime | None:
        match self.cleaned_data["until"]:
            case "day":
                return next_midnight(zone, now)
            case "month":
                return next_month(zone, now)
            case "moment":
                moment: datetime = self.cleaned_data["moment"]
                return moment
            case _:
                return None


def as_date(value: object) -> date:
    """A cleaned date field's value."""
    if not isinstance(value, date):
        raise TypeError(f"{value!r} is not a date")
    return value
