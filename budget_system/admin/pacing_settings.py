"""The pacer's thresholds as people type them: in per cent and minutes, empty where the usual value holds."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from django import forms

from budget_pacer import PacerConfig
from budget_system.admin.ui import TextInput
from budget_system.errors import Refused
from pacing.desk import OFF, config_of

SHARE, TIMES, COUNT, MINUTES, AMOUNT = "%", "×", "", "min", "amount"
_TYPED_AS: Final = {SHARE: (100, 1), MINUTES: (1, 60)}
"""What is typed, over what is meant: 15 % is 0.15, 15 minutes are 900 seconds."""


class Threshold(NamedTuple):
    """One setting: what it is called, in which unit it is typed, and between which bounds (in that unit)."""

    name: str
    label: str
    unit: str
    above: str
    """More than this."""
    most: str
    help: str


GROUPS: Final[tuple[tuple[str, tuple[Threshold, ...]], ...]] = (
    (
        "How fast it may spend",
        (
            Threshold(
                "max_hourly_spend_pct", "Most in one hour", SHARE, "0", "100",
                "Of the day's budget. A campaign that is open few hours a day gets more anyway.",
            ),
            Threshold(
                "frontload_protection_hours", "Careful first hours", COUNT, "-1", "24",
                "So many open hours begin slowly, so that a mistake is found while there is money left. 0 switches it "
                "off.",
            ),
            Threshold("frontload_share", "Spend in the careful hours", SHARE, "0", "100", "Of those hours' plan."),
            Threshold(
                "velocity_window_s", "Burst window", MINUTES, "0.15", "60", "Over so many minutes bursts are measured."
            ),
            Threshold(
                "velocity_factor", "Fastest burst", TIMES, "0", "1440",
                "A burst window may take so many times its even share of the day; more has to wait.",
            ),
        ),
    ),
    (
        "When to alert",
        (
            Threshold(
                "pace_warning_threshold", "Warn when ahead", TIMES, "1", "100",
                "Spent over planned so far: 1.5 is 50 % ahead of plan.",
            ),
            Threshold(
                "pace_critical_threshold", "Critical when ahead", TIMES, "1", "100", "Not below the one for a warning."
            ),
            Threshold(
                "pace_under_threshold", "Warn when behind", TIMES, "0", "1", "0.5 is half of what was planned so far."
            ),
        ),
    ),
    (
        "When the breaker opens, and how it closes",
        (
            Threshold(
                "emergency_stop_threshold", "Spent more than", SHARE, "0", "100",
                "Of the day's budget, and at the same time as far ahead of plan as the next line says.",
            ),
            Threshold("emergency_lead", "… and ahead of plan by", SHARE, "0", "100", "Of the day's budget."),
            Threshold(
                "velocity_trip", "Burst that opens it", TIMES, "1", "1000", "So many times the fastest burst allowed."
            ),
            Threshold(
                "overspends_to_trip", "Amounts over a limit", COUNT, "0", "1000", "So many in a row open the breaker."
            ),
            Threshold(
                "cooldown_s", "Pause before a probe", MINUTES, "0", "1440", "Doubled each time that a probe fails."
            ),
            Threshold("probe_pct", "Size of a probe", SHARE, "0", "100", "Of the day's budget."),
            Threshold(
                "clean_to_close", "Clean transactions to close", COUNT, "0", "1000",
                "So many within a probe close the breaker by themselves.",
            ),
        ),
    ),
    (
        "What it must return",
        (
            Threshold(
                "min_conversion_rate", "Least conversion rate", SHARE, "0", "100", "Conversions per click."
            ),
            Threshold(
                "max_cost_per_click", "Most per click", AMOUNT, "0", "1000000000", "In the brand's currency."
            ),
            Threshold("target_roas", "Least ROAS", TIMES, "0", "1000000", "Revenue per cost."),
            Threshold(
                "performance_min_clicks", "Clicks before it is judged", COUNT, "0", "1000000000",
                "Fewer new clicks say nothing.",
            ),
            Threshold("breaches_to_trip", "Bad judgements in a row", COUNT, "0", "1000", "So many open the breaker."),
            Threshold(
                "anomaly_z", "Unusual price", TIMES, "1", "100",
                "A click price so many standard deviations from what is usual at this hour counts as bad; twice that "
                "opens the breaker at once.",
            ),
        ),
    ),
    (
        "Moving money",
        (
            Threshold(
                "reallocation_threshold", "Return more by", SHARE, "-100", "10000",
                "Money moves only to channels that return so much more.",
            ),
        ),
    ),
)  # fmt: skip
THRESHOLDS: Final = {one.name: one for _, group in GROUPS for one in group}
_DEFAULTS: Final = PacerConfig()
_WHOLE: Final = frozenset(
    field.name for field in fields(PacerConfig) if isinstance(getattr(_DEFAULTS, field.name), int)
)
_OPTIONAL: Final = frozenset(field.name for field in fields(PacerConfig) if "None" in str(field.type))
"""What may be off."""
SETTINGS_FIELDSETS: Final = tuple((title, {"fields": tuple(one.name for one in group)}) for title, group in GROUPS)


def shown(threshold: Threshold, value: object) -> str:
    """The value as people read it: “15 %”, “1.5 ×”, “15 min”, “off”."""
    text = typed(threshold, value) or OFF
    return text if text == OFF or threshold.unit in (COUNT, AMOUNT) else f"{text} {threshold.unit}"


def settings_words(settings: Mapping[str, object]) -> str:
    """“Warn when ahead 1.3 ×; Least ROAS off”, for settings as they are kept."""
    known = [f"{one.label} {shown(one, settings[name])}" for name, one in THRESHOLDS.items() if name in settings]
    others = [f"{name.replace('_', ' ')} {value}" for name, value in settings.items() if name not in THRESHOLDS]
    return "; ".join([*known, *others]) or "as usual"


def typed(threshold: Threshold, value: object) -> str:
    """The value as it is typed, without its unit."""
    if value is None or value == OFF:
        return value or ""
    times, over = _TYPED_AS.get(threshold.unit, (1, 1))
    number = Decimal(str(value)) * times / over
    text = f"{number.quantize(Decimal('0.000001')):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_force(*settings: Mapping[str, object]) -> dict[str, object]:
    """Each threshold's value: the defaults with these in their place, the later before the former."""
    values: dict[str, object] = {name: getattr(_DEFAULTS, name) for name in THRESHOLDS}
    for some in settings:
        values |= {name: value for name, value in some.items() if name in values}
    return values


def changed_words(inherited: Mapping[str, object], own: Mapping[str, object]) -> list[str]:
    """What differs from what holds elsewhere: “Warn when ahead: 1.3 × instead of 1.5 ×”."""
    return [
        f"{one.label}: {shown(one, own[name])} instead of {shown(one, inherited[name])}"
        for name, one in THRESHOLDS.items()
        if name in own
    ]


class ThresholdField(forms.CharField):
    """A number in the unit that people think in; empty where the usual value, which is shown in the field, holds."""

    def __init__(self, threshold: Threshold, usual: object) -> None:
        self.threshold = threshold
        attributes = {
            "inputmode": "decimal",
            "autocomplete": "off",
            "placeholder": shown(threshold, usual),
            "maxlength": "20",
        }
        unit = {COUNT: "", AMOUNT: ""}.get(threshold.unit, f" ({threshold.unit})")
        off = f" “{OFF}” switches it off." if threshold.name in _OPTIONAL and shown(threshold, usual) != OFF else ""
        super().__init__(
            label=f"{threshold.label}{unit}",
            required=False,
            help_text=f"{threshold.help} Usual: {shown(threshold, usual)}.{off}",
            widget=TextInput(attrs=attributes),
        )

    def to_python(self, value: Any) -> Any:
        text = str(super().to_python(value) or "").removesuffix(self.threshold.unit).strip()
        if not text:
            return None
        one = self.threshold
        if one.name in _OPTIONAL and text.casefold() == OFF:
            return OFF
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or len(text) > 20:
            raise forms.ValidationError(f"“{text}” is not a number; write it like {typed(one, 1)}.")
        if not Decimal(one.above) < number <= Decimal(one.most):
            unit = {COUNT: "", AMOUNT: ""}.get(one.unit, f" {one.unit}")
            raise forms.ValidationError(f"It must be more than {one.above}{unit} and at most {one.most}{unit}.")
        times, over = _TYPED_AS.get(one.unit, (1, 1))
        value = number * over / times
        if one.name not in _WHOLE:
            return value.quantize(Decimal("0.000001")).normalize() + 0
        if value != value.to_integral_value():
            raise forms.ValidationError("It must be a whole number." if one.unit == COUNT else "Use whole seconds.")
        return int(value)


class Thresholds:
    """A part of a form: a field for each threshold, and what of them differs from what holds anyway."""

    inherited: Mapping[str, object]
    add_error: Callable[..., None]
    cleaned_data: dict[str, Any]
    fields: dict[str, forms.Field]
    errors: Any

    def add_thresholds(self, inherited: Mapping[str, object], own: Mapping[str, object], initial: Any) -> None:
        self.inherited = inherited
        for name, one in THRESHOLDS.items():
            self.fields[name] = ThresholdField(one, inherited[name])
            if name in own:
                initial[name] = typed(one, own[name])

    def clean_thresholds(self) -> None:
        """Refuse, beside the field, what each alone allows and together they cannot mean."""
        if any(name in self.errors for name in THRESHOLDS):
            return
        try:
            config_of(dict(self.inherited), self.own_settings())
        except Refused as error:
            about = next((name for name in THRESHOLDS if error.message.startswith(name)), None)
            words = error.message
            for name, one in THRESHOLDS.items():
                words = words.replace(name, f"“{one.label}”")
            self.add_error(about, f"{words[:1].upper()}{words[1:]}.")

    def own_settings(self) -> dict[str, object]:
        """Only what differs from what holds anyway is kept."""
        given = {name: self.cleaned_data.get(name) for name in THRESHOLDS}
        return {
            name: value for name, value in given.items() if value is not None and not _same(value, self.inherited[name])
        }


def _same(value: object, other: object) -> bool:
    if OFF in (value, other) or other is None:
        return value == OFF and other in (OFF, None)
    return Decimal(str(value)) == Decimal(str(other))
