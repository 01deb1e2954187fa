"""Whose row is it: the brands and campaigns that the rows of a report name."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from brands.models import Brand, BrandQuerySet
from brands.queries import id_or_name
from budget_system.errors import Refused
from campaigns.models import Campaign, Platform
from spending.groups import BrandTarget, CampaignTarget
from spending.import_options import Choice, ImportOptions
from spending.reports.rows import ReportRow


class Labels(NamedTuple):
    """How a row names its campaign."""

    account: str | None
    campaign_id: str | None
    campaign_name: str | None


class _Known(NamedTuple):
    """A campaign in the database."""

    pk: UUID
    brand_id: UUID
    name: str
    external_id: str
    archived: bool


class Matcher:
    """Finds the campaign of each label: by its platform id, else by its exact name. It remembers every answer."""

    def __init__(self, options: ImportOptions, *, by_account: bool) -> None:
        self._options = options
        self._by_account = by_account and options.brand_id is None and not options.brand_name
        self._brand: BrandTarget | None = None
        self._brands: dict[UUID, BrandTarget] = {}
        self._new_brands: dict[str, BrandTarget] = {}
        self._accounts: dict[str, BrandTarget | str] = {}
        self._targets: dict[tuple[object, ...], CampaignTarget] = {}
        self.found: dict[tuple[str | None, str | None, str | None], CampaignTarget | str] = {}
        """The target of each label seen, or why there is none."""
        self._chosen = {choice.label: choice for choice in options.mapping}
        if options.brand_id is not None or options.brand_name:
            self._brand = self._stated_brand()

    def learn(self, rows: Iterable[ReportRow]) -> None:
        """Find what these rows name for the first time."""
        labels = {Labels(row.account, row.campaign_id, row.campaign_name) for row in rows}
        labels -= self.found.keys()
        if not labels:
            return
        if self._by_account:
            self._find_brands({label.account for label in labels if label.account} - self._accounts.keys())
        known = self._known(labels)
        for label in sorted(labels, key=lambda label: tuple(part or "" for part in label)):
            self.found[label] = self._match(label, known)

    @property
    def currency(self) -> str:
        """That of the brand whose rows all are; empty if none was stated."""
        return self._brand.currency if self._brand else ""

    def label_of(self, row: ReportRow | Labels) -> tuple[str, str, str]:
        """How a person's choice names the campaign of this row."""
        account = folded(row.account) if self._by_account else ""
        external_id = row.campaign_id or ""
        return account, external_id, "" if external_id else folded(row.campaign_name)

    def is_chosen(self, row: ReportRow) -> bool:
        """Whether a person has said whose this row is, or that it is to be left out."""
        return bool(self._chosen) and self.label_of(row) in self._chosen

    def brand_ids(self) -> list[UUID]:
        """The brands in the database whose rows these are, or may be."""
        return list(self._brands)

    def targets(self) -> list[CampaignTarget]:
        """Every campaign that rows belong to, once."""
        return list(self._targets.values())

    def _visible(self) -> BrandQuerySet:
        """The brands that this import may touch, archived ones included."""
        allowed = self._options.brand_ids
        return Brand.objects.all() if allowed is None else Brand.objects.filter(pk__in=allowed)

    def _stated_brand(self) -> BrandTarget:
        """The brand that was said to be that of all rows."""
        options = self._options
        if options.brand_id is not None:
            brand = self._visible().filter(pk=options.brand_id).first()
            if brand is None:
                raise Refused("There is no such brand.", field="brand")
            return self._target_of_brand(brand)
        name = folded(options.brand_name)
        brands = list(self._visible().current().filter(name=name)[:2])
        if len(brands) > 1:
            raise Refused(f"Several brands are named “{name}”. Use the id.", field="brand")
        if not brands and not options.create_brands:
            raise Refused(f"There is no brand with the name “{name}”.", field="brand")
        return self._target_of_brand(brands[0]) if brands else BrandTarget(None, name, options.currency or "")

    def _target_of_brand(self, brand: Brand) -> BrandTarget:
        return self._brands.setdefault(brand.pk, BrandTarget(brand.pk, brand.name, brand.currency))

    def _find_brands(self, accounts: set[str]) -> None:
        names = {text: folded(text) for text in accounts}
        current = self._visible().current()
        by_name: dict[str, list[Brand]] = {}
        for brand in current.filter(name__in=set(names.values())):
            by_name.setdefault(brand.name, []).append(brand)
        for text, name in names.items():
            matches = by_name.get(name) or list(current.filter(id_or_name(text))[:1])
            if len(matches) == 1:
                self._accounts[text] = self._target_of_brand(matches[0])
            elif matches:
                self._accounts[text] = f"several brands are named “{name}”: import their files one by one with --brand"
            elif self._options.create_brands:
                target = BrandTarget(None, name, self._options.currency or "")
                self._accounts[text] = self._new_brands.setdefault(name, target)
            else:
                self._accounts[text] = (
                    f"there is no brand “{name}”: create it, import with --create-brands, or say with --brand whose "
                    "rows these are"
                )

    def _brand_of(self, label: Labels) -> BrandTarget | str | None:
        """The label's brand, why it has none, or None: any brand."""
        if not self._by_account:
            return self._brand
        return self._accounts[label.account] if label.account else "no brand given"

    def _known(self, labels: Iterable[Labels]) -> dict[tuple[str, str], list[_Known]]:
        """The campaigns in the database that may be meant, by (“id” or “name”, text)."""
        ids = {label.campaign_id for label in labels if label.campaign_id}
        names = {folded(label.campaign_name) for label in labels if label.campaign_name}
        campaigns = Campaign.objects.filter(Q(external_id__in=ids) | Q(name__in=names))
        if self._brand is not None or self._by_account:
            campaigns = campaigns.filter(brand_id__in=list(self._brands))
        else:
            campaigns = campaigns.filter(brand__archived_at=None)
            if self._options.brand_ids is not None:
                campaigns = campaigns.filter(brand_id__in=self._options.brand_ids)
        if self._options.platform:
            campaigns = campaigns.filter(platform=self._options.platform)
        known: dict[tuple[str, str], list[_Known]] = {}
        columns = ("pk", "brand_id", "name", "external_id", "archived_at")
        for pk, brand_id, name, external_id, archived_at in campaigns.order_by("pk").values_list(*columns):
            campaign = _Known(pk, brand_id, name, external_id, archived_at is not None)
            known.setdefault(("name", name), []).append(campaign)
            if external_id:
                known.setdefault(("id", external_id), []).append(campaign)
        return known

    def _match(self, label: Labels, known: dict[tuple[str, str], list[_Known]]) -> CampaignTarget | str:
        if self._chosen and (choice := self._chosen.get(self.label_of(label))) is not None:
            return self._as_chosen(choice, folded(label.campaign_name))
        brand = self._brand_of(label)
        if isinstance(brand, str):
            return brand
        external_id, name = label.campaign_id or "", folded(label.campaign_name)
        by_id = _one_of(known.get(("id", external_id), ()), brand)
        # A campaign that has another id on its platform is another campaign, whatever its name.
        named = [one for one in known.get(("name", name), ()) if not (external_id and one.external_id)]
        matches = by_id or _one_of(named, brand)
        if len(matches) > 1:
            what = f"the id “{external_id}”" if by_id else f"the name “{name}”"
            return f"{len(matches)} campaigns have {what}: say which with --brand or --platform"
        if matches:
            return self._existing(matches[0], "" if by_id else external_id)
        if brand is None:
            return f"there is no campaign with {_described(external_id, name)}: say with --brand whose rows these are"
        if not self._options.create_campaigns:
            where = f"“{brand.name}” has no {self._platform_words()}campaign with {_described(external_id, name)}"
            return f"{where}: create it, or import with --create-campaigns"
        key = (brand, external_id, "" if external_id else name)
        return self._targets.setdefault(key, CampaignTarget(brand, None, name or external_id, external_id))

    def _as_chosen(self, choice: Choice, name: str) -> CampaignTarget | str:
        if choice.campaign_id is not None:
            return self._chosen_campaign(choice, choice.campaign_id)
        if choice.brand_id is None:
            return "left out, as was chosen"
        brand = self._visible().current().filter(pk=choice.brand_id).first()
        if brand is None:
            return "the brand that was chosen is not there any more: choose again"
        key = ("new", brand.pk, *choice.label)
        # A run before this one, which was interrupted, may have created it.
        own = Q(external_id=choice.external_id) if choice.external_id else Q(name=choice.name)
        made = Campaign.objects.current().filter(own, brand=brand).order_by("pk")
        standing = made.values_list("pk", "name", "external_id").first()
        pk, made_name, external_id = standing or (None, name or choice.external_id, choice.external_id)
        target = CampaignTarget(self._target_of_brand(brand), pk, made_name, external_id)
        return self._targets.setdefault(key, target)

    def _chosen_campaign(self, choice: Choice, campaign_id: UUID) -> CampaignTarget | str:
        campaigns = Campaign.objects.current().filter(pk=campaign_id, brand__in=self._visible().current())
        campaign = campaigns.select_related("brand").first()
        if campaign is None:
            return "the campaign that was chosen is not there any more: choose again"
        is_its_id = campaign.external_id == choice.external_id or (choice.remember and not campaign.external_id)
        brand = self._target_of_brand(campaign.brand)
        return self._existing_target(
            brand, campaign.pk, campaign.name, campaign.external_id, "" if is_its_id else choice.external_id
        )

    def _platform_words(self) -> str:
        return f"{Platform(self._options.platform).label} " if self._options.platform else ""

    def _existing(self, campaign: _Known, stated_id: str) -> CampaignTarget:
        if campaign.brand_id not in self._brands:
            self._target_of_brand(Brand.objects.get(pk=campaign.brand_id))
        brand = self._brands[campaign.brand_id]
        return self._existing_target(brand, campaign.pk, campaign.name, campaign.external_id, stated_id)

    def _existing_target(
        self, brand: BrandTarget, pk: UUID, name: str, external_id: str, stated_id: str
    ) -> CampaignTarget:
        return self._targets.setdefault((pk, stated_id, ""), CampaignTarget(brand, pk, name, external_id, stated_id))


def folded(name: str | None) -> str:
    """A name as names are stored: inner white space folded."""
    return " ".join(name.split()) if name else ""


def _one_of(campaigns: Sequence[_Known], brand: BrandTarget | None) -> list[_Known]:
    """Those of the brand; of twins the ones that are not archived."""
    own = [campaign for campaign in campaigns if brand is None or campaign.brand_id == brand.id]
    return [campaign for campaign in own if not campaign.archived] or own


def _described(external_id: str, name: str) -> str:
    return " or ".join(filter(None, (external_id and f"the id “{external_id}”", name and f"the name “{name}”")))
