"""What a person says on the import page: the file and how to read it, and whose the campaigns are that nobody knows."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet

from access.callers import Caller
from brands.models import Brand
from budget_system import money
from budget_system.admin.show import amount, campaign_label
from budget_system.admin.ui import Select, Switch, TextInput
from budget_system.errors import Refused
from campaigns.models import Campaign, Platform
from enforcement.imports import MAX_BYTES
from spending.import_options import Choice, ImportOptions
from spending.models import Spend
from spending.reports import plain_csv
from spending.reports.columns import Named
from spending.reports.shapes import Format

KINDS = {
    Format.GOOGLE_ADS: "Google Ads",
    Format.GOOGLE_ADS_API: "Google Ads API (micros)",
    Format.META_ADS: "Meta Ads Manager",
    Format.MICROSOFT_ADS: "Microsoft Advertising",
    Format.TIKTOK_ADS: "TikTok Ads",
    Format.PLAIN: "Plain table with a day, a campaign and a cost",
}
TOLD = "Told from the file"
LISTED_BRANDS = 50
"""Up to so many brands are a plain list; more of them are searched."""
LISTED_CAMPAIGNS = 500
"""How many campaigns a plain list has, for browsers without JavaScript."""
CHOSEN_AT_ONCE = 50
"""How many unknown campaigns the page asks about at a time: those with most rows first."""

_COLUMNS = {
    "day": "Column of the day",
    "cost": "Column of the cost",
    "campaign_id": "Column of the campaign's id",
    "campaign_name": "Column of the campaign's name",
    "currency": "Column of the currency",
    "account": "Column of the brand or account",
    "channel": "Column of the channel",
}
_READING = ("day_format", "amount_format", "delimiter", "encoding")


def _brands(caller: Caller) -> QuerySet[Brand]:
    return caller.only_theirs(Brand.objects.current(), "pk").order_by("name")


def _campaigns(caller: Caller) -> QuerySet[Campaign]:
    campaigns = caller.only_theirs(Campaign.objects.current().filter(brand__archived_at=None))
    return campaigns.select_related("brand")


def _searched(model: type[Any], field: str, label: str) -> AutocompleteSelect:
    """A choice that is searched; what it finds is what the person may see."""
    attrs = {"style": "width: 100%", "class": "unfold-admin-autocomplete", "aria-label": label}
    return AutocompleteSelect(model._meta.get_field(field), admin.site, attrs=attrs)


class SettingsForm(forms.Form):
    """How to read a file. Mostly nothing has to be said."""

    brand = forms.ModelChoiceField(
        Brand.objects.none(),
        required=False,
        label="Brand of all rows",
        empty_label="Told from the file",
        help_text="Empty: the file's account column names the brand, or the platform id of each campaign is enough.",
    )
    kind = forms.ChoiceField(
        choices=[("", TOLD), *((kind.value, name) for kind, name in KINDS.items())],
        required=False,
        widget=Select,
        label="Kind of report",
    )
    currency = forms.CharField(
        required=False,
        max_length=3,
        widget=TextInput(attrs={"placeholder": "The brand's", "autocomplete": "off", "size": 6}),
        help_text="Such as EUR, for rows that do not say theirs. Nothing is converted.",
    )
    create_campaigns = forms.BooleanField(
        required=False,
        widget=Switch,
        label="Create campaigns that are not known",
        help_text="In the brand of their rows. Leave it off to look at each of them after the check.",
    )
    even_if_typed = forms.BooleanField(
        required=False,
        widget=Switch,
        label="Also take days that have spend already",
        help_text="From elsewhere: typed by hand, the API, another source. Both then count.",
    )
    day_format = forms.ChoiceField(
        choices=[("", TOLD), ("ymd", "2026-01-31 (ymd)"), ("dmy", "31/01/2026 (dmy)"), ("mdy", "01/31/2026 (mdy)")],
        required=False,
        widget=Select,
        label="Order of day and month",
    )
    amount_format = forms.ChoiceField(
        choices=[("", TOLD), ("point", "1,234.56 (point)"), ("comma", "1.234,56 (comma)")],
        required=False,
        widget=Select,
        label="Decimal sign",
    )
    delimiter = forms.ChoiceField(
        choices=[("", TOLD), (",", "Comma"), (";", "Semicolon"), ("tab", "Tab"), ("|", "Bar |")],
        required=False,
        widget=Select,
        label="Columns are parted by",
    )
    encoding = forms.ChoiceField(
        choices=[
            ("", TOLD),
            ("cp1252", "Excel on Windows, Western Europe (cp1252)"),
            ("cp1250", "Central Europe (cp1250)"),
            ("cp1254", "Turkish (cp1254)"),
            ("utf-8", "UTF-8"),
            ("utf-16", "UTF-16"),
        ],
        required=False,
        widget=Select,
        label="Encoding",
    )
    platform = forms.ChoiceField(
        choices=[("", "Any"), *Platform.choices],
        required=False,
        widget=Select,
        help_text="Only campaigns of this platform are found.",
    )

    opened = False
    """Whether something rare is asked for."""

    def __init__(self, caller: Caller, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.caller = caller
        for role, label in _COLUMNS.items():
            widget = TextInput(attrs={"placeholder": TOLD, "autocomplete": "off"})
            self.fields[f"column_{role}"] = forms.CharField(
                required=False, max_length=100, widget=widget, label=label, help_text="Its heading, or its number."
            )
        brands = _brands(caller)
        field: Any = self.fields["brand"]
        field.queryset = brands
        names = list(brands.values_list("pk", "name")[: LISTED_BRANDS + 1])
        if len(names) <= LISTED_BRANDS:
            field.widget = Select()
            field.widget.choices = field.choices
        else:
            field.widget = _searched(Campaign, "brand", "Brand of all rows")
            field.widget.choices = field.choices
        if len(names) == 1 and not self.is_bound:
            self.initial.setdefault("brand", names[0][0])
        if not caller.may("campaigns.add_campaign"):
            del self.fields["create_campaigns"]

    def usual(self) -> list[forms.BoundField]:
        return [self[name] for name in ("brand", "kind", "currency", "create_campaigns", "even_if_typed") if
                name in self.fields]  # fmt: skip

    def rarer(self) -> list[forms.BoundField]:
        return [self[name] for name in (*_READING, "platform", *(f"column_{role}" for role in _COLUMNS))]

    def says_more(self) -> bool:
        """Whether something rare was said, or is wrong, so that it should be seen."""
        return self.opened or any(field.errors or field.value() for field in self.rarer())

    def options(self, mapping: tuple[Choice, ...] = ()) -> ImportOptions:
        """What was said. Raises Refused when it makes no sense."""
        said = self.cleaned_data
        brand: Brand | None = said["brand"]
        columns = {role: said[f"column_{role}"] or None for role in _COLUMNS}
        delimiter = "\t" if said["delimiter"] == "tab" else said["delimiter"] or None
        return ImportOptions(
            reading=plain_csv.Options(
                columns=Named(**columns),
                day_format=said["day_format"] or None,
                amount_format=said["amount_format"] or None,
                delimiter=delimiter,
                encoding=said["encoding"] or None,
            ),
            format=Format(said["kind"]) if said["kind"] else None,
            brand_id=brand.pk if brand else None,
            brand_ids=brands_of(self.caller),
            platform=said["platform"],
            currency=said["currency"].strip().upper() or None,
            create_campaigns=said.get("create_campaigns", False),
            even_if_typed=said["even_if_typed"],
            mapping=mapping,
        ).checked()

    def refuse(self, error: Refused) -> None:
        """Show beside its field what was refused."""
        name = {"format": "kind"}.get(error.field or "", error.field)
        self.add_error(name if name in self.fields else None, error.message)


def brands_of(caller: Caller) -> frozenset[Any] | None:
    """The brands that the caller's import may touch. None: all."""
    return None if caller.sees_all_brands() else frozenset(caller.brands().values_list("pk", flat=True))


def initial_of(options: ImportOptions) -> dict[str, Any]:
    """The settings that say these options."""
    reading = options.reading
    said: dict[str, Any] = {name: getattr(reading, name) for name in _READING}
    if reading.delimiter == "\t":
        said["delimiter"] = "tab"
    columns = {f"column_{role}": reading.columns.get(role) for role in _COLUMNS}  # type: ignore[arg-type] # its names are roles
    return {
        **said, **columns, "brand": options.brand_id, "kind": options.format.value if options.format else "",
        "currency": options.currency, "platform": options.platform, "create_campaigns": options.create_campaigns,
        "even_if_typed": options.even_if_typed,
    }  # fmt: skip


class UploadForm(SettingsForm):
    """A file, and how to read it."""

    file = forms.FileField(
        allow_empty_file=True,
        error_messages={"required": "Choose a file, or drop it here."},
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.json,.jsonl,.zip,.gz", "data-max-bytes": MAX_BYTES}),
    )


# --- Whose are the campaigns that nobody knows? ----------------------------------------------------------------------


class Row(NamedTuple):
    """A campaign that the file names, and the fields that ask about it."""

    account: str
    external_id: str
    name: str
    reason: str
    rows: int
    amounts: list[str]
    fields: tuple[forms.BoundField, ...]


CAMPAIGN, CREATE, LEAVE = "campaign", "create", "leave"


class MappingForm(forms.Form):
    """For each unknown campaign: an existing one, a new one, or none. What was chosen before can be changed."""

    def __init__(
        self, caller: Caller, options: ImportOptions, unknown: Sequence[Mapping[str, Any]], *args: Any,
        plain: bool = False,
    ) -> None:  # fmt: skip
        """`plain`: choices are lists, which need no script, and not searched."""
        super().__init__(*args)
        self.caller = caller
        self.plain = plain
        self.listed = LISTED_CAMPAIGNS
        self.may_create = caller.may("campaigns.add_campaign")
        self._before = options.mapping
        self._asked = [_chosen_row(choice) for choice in options.mapping] + list(unknown[:CHOSEN_AT_ONCE])
        self._brand_id = options.brand_id
        accounts = {one["account"] for one in self._asked if one["account"]}
        self._brand_ids = dict(_brands(caller).filter(name__in=accounts).values_list("name", "pk"))
        for number, one in enumerate(self._asked):
            self._ask(number, one)

    def _ask(self, number: int, one: Mapping[str, Any]) -> None:
        what = one["name"] or one["external_id"]
        choice: Choice | None = one.get("choice")
        actions = [("", "Not decided: left out for now"), (CAMPAIGN, "It is the campaign …")]
        if self.may_create:
            actions.append((CREATE, "Create it in the brand …"))
        actions.append((LEAVE, "Leave it out"))
        self.fields[f"do_{number}"] = forms.ChoiceField(
            choices=actions,
            required=False,
            widget=Select(
                attrs={"x-ref": "what", "@change": "what = $refs.what.value", "aria-label": f"What to do with “{what}”"}
            ),
            initial=_action_of(choice) if choice else "",
        )
        self.fields[f"campaign_{number}"] = self._choice_of(
            _campaigns(self.caller), _searched(Spend, "campaign", f"Campaign for “{what}”"),
            choice.campaign_id if choice else None,
        )  # fmt: skip
        campaign: Any = self.fields[f"campaign_{number}"]
        campaign.label_from_instance = campaign_label
        if self.may_create:
            first = choice.brand_id if choice else self._brand_id or self._brand_ids.get(one["account"])
            widget = _searched(Campaign, "brand", f"Brand for “{what}”")
            self.fields[f"brand_{number}"] = self._choice_of(_brands(self.caller), widget, first)

    def _choice_of(self, queryset: QuerySet[Any], widget: Any, initial: Any) -> forms.ModelChoiceField[Any]:
        field = forms.ModelChoiceField(
            queryset,
            required=False,
            widget=Select(attrs={"aria-label": widget.attrs["aria-label"]}) if self.plain else widget,
            initial=initial,
            error_messages={"invalid_choice": "That is not there (any more), or not yours to see. Choose again."},
        )
        if self.plain:
            choices: Any = field
            choices.choices = self._brand_choices if queryset.model is Brand else self._campaign_choices
        return field

    @cached_property
    def _campaign_choices(self) -> list[tuple[str, str]]:
        """Those of the chosen brand, else of all: read once for all rows."""
        campaigns = _campaigns(self.caller)
        if self._brand_id:
            campaigns = campaigns.filter(brand=self._brand_id)
        some = campaigns.order_by("brand__name", "name", "pk")[:LISTED_CAMPAIGNS]
        return [("", "Which campaign?"), *((str(one.pk), campaign_label(one)) for one in some)]

    @cached_property
    def _brand_choices(self) -> list[tuple[str, str]]:
        return [("", "Which brand?"), *((str(one.pk), one.name) for one in _brands(self.caller)[:LISTED_CAMPAIGNS])]

    def rows(self) -> list[Row]:
        """What is asked about, with its fields."""
        parts = ("do", "campaign", "brand") if self.may_create else ("do", "campaign")
        return [
            Row(
                one["account"], one["external_id"], one["name"], in_page_words(one["reason"]), one["rows"],
                amounts(one["sums"]),
                tuple(self[f"{part}_{number}"] for part in parts),
            )
            for number, one in enumerate(self._asked)
        ]  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for number in range(len(self._asked)):
            if self.plain and not cleaned.get(f"do_{number}") and cleaned.get(f"campaign_{number}"):
                cleaned[f"do_{number}"] = (
                    CAMPAIGN  # both fields are in sight there: who chose one need not say so twice
                )
            action = cleaned.get(f"do_{number}")
            for wanted, part in ((CAMPAIGN, "campaign"), (CREATE, "brand")):
                name = f"{part}_{number}"
                if action == wanted and not cleaned.get(name) and name not in self.errors:
                    self.add_error(name, f"Choose the {part}, or decide otherwise.")
        return cleaned

    def mapping(self) -> tuple[Choice, ...]:
        """What was decided. A campaign without a platform id keeps that of its rows, if the person may change it."""
        choices = [self._choice(number, one) for number, one in enumerate(self._asked)]
        decided = [choice for choice in choices if choice is not None]
        ids = [choice.campaign_id for choice in decided]
        return tuple(
            Choice(**{**_as_fields(choice), "remember": False}) if ids.count(choice.campaign_id) > 1 else choice
            for choice in decided
        )

    def _choice(self, number: int, one: Mapping[str, Any]) -> Choice | None:
        said = self.cleaned_data
        label = {
            "account": one["account"],
            "external_id": one["external_id"],
            "name": one["name"],
        }
        match said[f"do_{number}"]:
            case "campaign":
                campaign: Campaign = said[f"campaign_{number}"]
                may = self.caller.may("campaigns.change_campaign")
                remember = bool(one["external_id"]) and not campaign.external_id and may
                return Choice(**label, campaign_id=campaign.pk, remember=remember)
            case "create":
                return Choice(**label, brand_id=said[f"brand_{number}"].pk)
            case "leave":
                return Choice(**label)
            case _:
                return None


def _as_fields(choice: Choice) -> dict[str, Any]:
    return {name: getattr(choice, name) for name in Choice.__slots__}


def _chosen_row(choice: Choice) -> dict[str, Any]:
    return {
        "account": choice.account, "external_id": choice.external_id, "name": choice.name, "reason": "Chosen before",
        "rows": 0, "sums": {}, "choice": choice,
    }  # fmt: skip


def _action_of(choice: Choice) -> str:
    return CAMPAIGN if choice.campaign_id else CREATE if choice.brand_id else LEAVE


# --- Words -----------------------------------------------------------------------------------------------------------


def amounts(sums: Mapping[str, str]) -> list[str]:
    """Sums by currency as a person reads them; where nobody names a currency, without."""
    return [
        amount(Decimal(total), code) if code else money.display_text(Decimal(total), "USD")
        for code, total in sums.items()
    ]


_WORDS = {
    **{f"{role.replace('_', '-')}-column": label for role, label in _COLUMNS.items()},
    **{name.replace("_", "-"): str(field.label or name.title()) for name, field in SettingsForm.base_fields.items()},
}
_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")


def words_of(option: str) -> str:
    """What the page calls an option."""
    role = option.removeprefix("column_")
    return _COLUMNS.get(role) or _WORDS.get(option.replace("_", "-")) or option.replace("_", " ").capitalize()


def in_page_words(text: str) -> str:
    """A message that speaks of options of the command, with the settings of the page in their place."""
    text = text.replace(", import with --create-brands, or", ", or")
    text = text.replace(
        "say which with --brand or --platform",
        "choose one of them, or say --brand or --platform among the other settings",
    )
    return _OPTION.sub(lambda found: f"“{_WORDS.get(found[1], found[1].replace('-', ' '))}”", text)
