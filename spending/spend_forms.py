"""What a person types about a spend: adding one, amending it with a reason, voiding it."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString

from brands.models import Brand
from brands.periods import local_date
from budget_system import clock, money
from budget_system.admin import show
from budget_system.admin.forms import ReasonForm, UseCaseForm
from budget_system.admin.ui import Textarea
from budget_system.ids import new_id
from campaigns.models import Campaign
from spending.models import SpendType

INPUTS = ("amount", "spend_date", "spend_type", "channel", "description")


class SpendForm(UseCaseForm):
    """On adding, `client_key` is made with the form, so that a form sent twice is recorded once."""

    client_key = forms.CharField(widget=forms.HiddenInput, required=False, max_length=100)
    reason = forms.CharField(
        widget=Textarea(attrs={"rows": 2}),
        required=False,
        max_length=1000,
        label="Reason for amending",
        help_text="Needed for any change above: it is kept beside the former value.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "description" in self.fields:
            self.fields["description"].widget.attrs["rows"] = 3
        if self.instance._state.adding:
            self.initial["client_key"] = f"form-{new_id()}"
            self.fields.pop("reason")
            self.fields["spend_date"].required = False
        else:
            self.fields.pop("client_key")
        self._tell_of(self._chosen_brand())

    def _chosen_brand(self) -> Brand | None:
        """Whose spend it is, as far as that is known before anything is checked."""
        if not self.instance._state.adding:
            return self.instance.brand if "amount" in self.fields else None
        chosen: Any = self.fields["campaign"]
        given = self.data.get(self.add_prefix("campaign")) if self.is_bound else self.initial.get("campaign")
        try:
            campaign = chosen.clean(given)
        except forms.ValidationError:
            self.initial.pop("campaign", None)  # of an address that somebody has mistyped
            return None
        return campaign.brand if isinstance(campaign, Campaign) else None

    def _tell_of(self, brand: Brand | None) -> None:
        """Say in which money and by which calendar. The page says it anew when another campaign is chosen."""
        if "amount" in self.fields:
            unknown = "In the brand's currency, which is shown once you choose a campaign."
            self.fields["amount"].help_text = _told("currency", f"In {brand.currency}." if brand else unknown)
        if "spend_date" in self.fields and self.instance._state.adding:
            today = f", {show.today_text(brand, clock.now())}" if brand else ""
            self.fields["spend_date"].help_text = _told("today", f"Empty: today by the brand's clock{today}.")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.instance._state.adding and not cleaned.get("client_key"):
            raise forms.ValidationError("This page is not complete. Nothing was saved; reload it and enter it again.")
        if not self.instance._state.adding and self.changes(cleaned.keys() & set(INPUTS)) and not cleaned.get("reason"):
            self.add_error("reason", "Say why: it is kept beside the former value.")
        if self.refusal is None and "amount" in self.changed_data:
            self._check_amount(cleaned)
        return cleaned

    def _check_amount(self, cleaned: dict[str, Any]) -> None:
        """What platforms report in fractions of a cent is kept as it is; what a person types so is a slip."""
        amount: Decimal | None = cleaned.get("amount")
        if amount is None:
            return
        if amount <= 0 and cleaned.get("spend_type") not in (None, SpendType.ADJUSTMENT):
            self.add_error(
                "amount",
                "The amount must be more than 0. To correct what was recorded too high, choose the type Adjustment.",
            )
            return
        campaign = cleaned.get("campaign")
        brand = campaign.brand if isinstance(campaign, Campaign) else getattr(self.instance, "brand", None)
        if isinstance(brand, Brand) and is_finer(amount, brand.currency):
            self.add_error("amount", too_fine(amount, brand.currency))

    def day(self, now: datetime) -> date:
        """The day that was typed, else the brand's own today."""
        typed: date | None = self.cleaned_data["spend_date"]
        return typed or local_date(self.cleaned_data["campaign"].brand.zone, now)


def _told(what: str, text: str) -> SafeString:
    """A help text that the page's script may say anew."""
    return format_html('<span data-told="{}">{}</span>', what, text)


class VoidForm(ReasonForm):
    """Asks why; sent for an older version of the spend, it is refused."""

    expected_version = forms.IntegerField(
        widget=forms.HiddenInput, error_messages={"required": "This page is not complete; reload it."}
    )


def is_finer(amount: Decimal, currency: str) -> bool:
    """Whether an amount has more decimals than its currency."""
    return amount != round(amount, money.decimals(currency))


def too_fine(amount: Decimal, currency: str) -> str:
    """Why such an amount is refused."""
    places = money.decimals(currency)
    most = {0: "no decimals", 1: "one decimal"}.get(places, f"at most {places} decimals")
    return (
        f"{amount.normalize():f} is finer than {currency} is: write it with {most}, such as {round(amount, places):f}."
    )


def day_told(brand: Brand, on: date, now: datetime) -> str:
    """Which day was written down, and, where it is not the brand's today, that it is not."""
    today = local_date(brand.zone, now)
    if on == today:
        return f"It counts today, {show.today_text(brand, now)}."
    return f"It counts on {show.day_text(on)}, which is not today there: it is {show.today_text(brand, now)}."
