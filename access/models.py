"""Who may: which brands a person works for, the tokens of machines, and what a caller was answered."""

from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.db import models
from django.db.models import Q

from brands.models import Brand
from budget_system.ids import new_id


class Membership(models.Model):
    """A person works for a brand: they see it and what belongs to it, and do there what their role allows."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    brand = models.ForeignKey(Brand, models.PROTECT, related_name="memberships")
    created_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=200, editable=False)

    class Meta:
        ordering = ["brand", "user"]
        constraints = [models.UniqueConstraint(fields=["user", "brand"], name="membership_once")]
        permissions = [("all_brands", "Works for all brands"), ("restore", "Can see and restore what was archived")]

    def __str__(self) -> str:
        return f"{self.user} works for {self.brand}"


class TokenScope(models.TextChoices):
    READ = "read", "Read"
    SPEND = "spend", "Read; record and reserve spend"
    OPERATE = "operate", "All that an operator may do"
    MANAGE = "manage", "All that a manager may do"


class ApiToken(models.Model):
    """The key of a machine. It acts for a person, within what the person may do, its scope and its brands.

    Only the SHA-256 digest of the secret is kept: the token itself is shown once, when it is made. `prefix` is its
    public beginning, by which logs and records name it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100, help_text="What uses it, such as “Bidder” or “Nightly report”.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="api_tokens",
        verbose_name="acts for",
        help_text="It can do nothing that this person may not do.",
    )
    scope = models.CharField(max_length=10, choices=TokenScope.choices, default=TokenScope.READ)
    brands = models.ManyToManyField(
        Brand, blank=True, related_name="api_tokens", help_text="None chosen: all brands of the person."
    )
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: as many as the system allows by default."
    )
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: until it is revoked.")
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    revoked_by = models.CharField(max_length=200, blank=True, default="", editable=False)
    created_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=200, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API token"
        constraints = [
            models.CheckConstraint(
                condition=Q(requests_per_minute=None) | Q(requests_per_minute__gt=0), name="api_token_rate_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class IdempotentAnswer(models.Model):
    """What a request with an Idempotency-Key was answered, so that the same request again gets the same answer.

    Written in the transaction of what it did: neither is there without the other.
    """

    id = models.BigAutoField(primary_key=True)
    caller = models.CharField(max_length=60)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64, help_text="Digest of method, path and body.")
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="idempotent_answer_once")]

    def __str__(self) -> str:
        return f"{self.caller}: {self.key}"


class FailedLogin(AccessAttempt):  # type: ignore[misc]  # django-axes ships no types
    """Wrong passwords for a name from an address and a browser, as django-axes counts them."""

    class Meta:
        proxy = True
        verbose_name = "failed login"
        default_permissions = ("view", "delete")

    def __str__(self) -> str:
        return f"{self.username} from {self.ip_address}"


class Login(AccessLog):  # type: ignore[misc]  # django-axes ships no types
    """Somebody logged in."""

    class Meta:
        proxy = True
        verbose_name = "login"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.username} from {self.ip_address}"
