"""All settings, in one file. Everything that differs between places comes from the environment (see .env.example).

Production is the default and fails loudly when something it needs is missing. `DEMO=1` (set by `make run`) fills in
what a person trying the system would not care about, and works on the loopback address only.
"""

import ipaddress
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import django_stubs_ext
import environ
from celery.schedules import crontab
from cryptography.fernet import Fernet
from csp import constants as csp
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from budget_system import logs

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")
if not {"SECRET_KEY", "DATABASE_URL", "DEMO"} & os.environ.keys() and (BASE_DIR / ".local" / "demo.env").exists():
    # Nobody configured anything, and `make run` was used here: commands meet the demo.
    environ.Env.read_env(BASE_DIR / ".local" / "demo.env")
# Empty counts as not set: a form of .env has its names without values, and compose passes them on as they are.
env.ENVIRON = {name: value for name, value in os.environ.items() if value}

DEMO = env.bool("DEMO", default=False)
DEBUG = env.bool("DEBUG", default=False)
BIND_HOST = env.str("BIND_HOST", default="127.0.0.1")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


if DEMO and not _is_loopback(BIND_HOST):
    raise ImproperlyConfigured(
        f"Demo mode has a known password and serves this machine only, so it does not start on {BIND_HOST}. "
        "Leave BIND_HOST empty, or unset DEMO and set up a production configuration (.env.example)."
    )

DEMO_SECRET_KEY = "demo-only-" + "0" * 50
DEMO_USERNAME = "admin"
if DEMO:
    SECRET_KEY = env.str("SECRET_KEY", default=DEMO_SECRET_KEY)
    ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
else:
    SECRET_KEY = env.str("SECRET_KEY")
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
    if SECRET_KEY == DEMO_SECRET_KEY or len(SECRET_KEY) < 50:
        raise ImproperlyConfigured("SECRET_KEY must be a secret of at least 50 characters.")

# --- Applications ----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "timezone_field",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "brands",
    "access",
    "campaigns",
    "scheduling",
    "spending",
    "pacing",
    "enforcement",
    "delivery",
    "platforms",
    "alerts",
    "tasks",
]

MIDDLEWARE = [
    "budget_system.requests.Origin",
    "budget_system.traffic.Traffic",
    "budget_system.probes.Probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "access.login.LoginLimit",
    "axes.middleware.AxesMiddleware",
    "access.throttling.RateHeaders",
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]

ROOT_URLCONF = "budget_system.urls"
WSGI_APPLICATION = "budget_system.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "budget_system" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "budget_system.admin.bell.bell",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = None if DEMO or DEBUG else BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "budget_system" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEMO or DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEMO or DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
# The page of a campaign sends eight fields for each of the 672 windows that a week may have.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 6_000

# --- Database --------------------------------------------------------------------------------------------------------

STATEMENT_TIMEOUT_MS = env.int("STATEMENT_TIMEOUT_MS", default=5_000)
SQLITE_OPTIONS: dict[str, Any] = {
    # A writer takes its lock when the transaction begins and waits its turn; with Django's defaults concurrent
    # writers fail, because a lock taken in mid-transaction cannot wait.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}
POSTGRES_OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "options": f"-c lock_timeout={env.int('LOCK_TIMEOUT_MS', default=2_000)}"
    f" -c statement_timeout={STATEMENT_TIMEOUT_MS}"
    f" -c idle_in_transaction_session_timeout={env.int('IDLE_IN_TRANSACTION_TIMEOUT_MS', default=10_000)}",
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url(
        "DATABASE_URL",
        default=f"sqlite:///{quote(str(BASE_DIR / '.local' / 'budget.sqlite3'))}" if DEMO else environ.Env.NOTSET,
    )
}
_database = DATABASES["default"]
_on_sqlite = _database["ENGINE"].endswith("sqlite3")
_database["OPTIONS"] = {**_database.get("OPTIONS", {}), **(SQLITE_OPTIONS if _on_sqlite else POSTGRES_OPTIONS)}
_database["CONN_MAX_AGE"] = 60
_database["CONN_HEALTH_CHECKS"] = True

# --- Celery ----------------------------------------------------------------------------------------------------------
# No task carries state that a lost message could lose: each one looks at the database and makes it true.

CELERY_BROKER_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0" if DEMO else environ.Env.NOTSET)
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# A task whose child dies is begun again a second later, three times at most: a message that kills must not keep all
# children busy. What a dropped tick would have done the next one does.
CELERY_TASK_RETRY_ON_WORKER_LOST = True
CELERY_TASK_ANNOTATIONS = {"*": {"max_retries": 3, "default_retry_delay": 1}}
CELERY_TASK_ACKS_ON_FAILURE_OR_TIMEOUT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 50
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 25
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Above every time limit, so that no running task is handed out twice; the restore settings bring a task whose
    # worker was killed back in seconds after that.
    "visibility_timeout": 300,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
}
CELERY_VISIBILITY_TIMEOUT = 300
CELERY_BEAT_CRON_STARTING_DEADLINE = 1800
CELERY_IMPORTS = [
    "tasks.alert_tasks",
    "tasks.budget_tasks",
    "tasks.delivery_tasks",
    "tasks.import_tasks",
    "tasks.pacing_tasks",
    "tasks.platform_tasks",
    "tasks.tidy_tasks",
    "tasks.watch_tasks",
]
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "heartbeat": {
        "task": "tasks.watch_tasks.heartbeat_task",
        "schedule": 15.0,
        "options": {"expires": 14},
    },
    "expire_reservations": {
        "task": "tasks.budget_tasks.expire_reservations_task",
        "schedule": 10.0,
        "options": {"expires": 9},
    },
    "deliver": {
        "task": "tasks.delivery_tasks.deliver_task",
        "schedule": 3.0,
        "options": {"expires": 2},
    },
    "push_platforms": {
        "task": "tasks.platform_tasks.push_platforms_task",
        "schedule": 3.0,
        "options": {"expires": 2},
    },
    "look_at_platforms": {
        "task": "tasks.platform_tasks.look_at_platforms_task",
        "schedule": 30.0,
        "options": {"expires": 25},
    },
    "pull_platforms": {
        "task": "tasks.platform_tasks.pull_platforms_task",
        "schedule": 30.0,
        "options": {"expires": 25},
    },
    "alert": {
        "task": "tasks.alert_tasks.alert_task",
        "schedule": 30.0,
        "options": {"expires": 29},
    },
    "enforce_dayparting": {
        "task": "tasks.budget_tasks.enforce_dayparting_task",
        "schedule": crontab(),  # every minute, on the minute: windows open and close there
        "options": {"expires": 55},
    },
    "enforce_budget_limits": {
        "task": "tasks.budget_tasks.enforce_budget_limits_task",
        "schedule": crontab(minute="*/5"),
        "options": {"expires": 280},
    },
    "pick_up_imports": {
        "task": "tasks.import_tasks.pick_up_imports_task",
        "schedule": crontab(),
        "options": {"expires": 55},
    },
    "check_pace": {
        "task": "tasks.pacing_tasks.check_pace_task",
        "schedule": crontab(minute="2-59/5"),
        "options": {"expires": 280},
    },
    "move_unused": {
        "task": "tasks.pacing_tasks.move_unused_task",
        "schedule": crontab(minute=4),
        "options": {"expires": 3000},
    },
    "refit_pacing": {
        "task": "tasks.pacing_tasks.refit_pacing_task",
        "schedule": crontab(minute=40, hour=3, day_of_week="mon"),
        "options": {"expires": 3600},
    },
    "tidy": {
        "task": "tasks.tidy_tasks.tidy_task",
        "schedule": crontab(minute=30),
        "options": {"expires": 3600},
    },
    "check_books": {
        "task": "tasks.watch_tasks.check_books_task",
        "schedule": crontab(minute=17),
        "options": {"expires": 3000},
    },
    "daily_reset": {
        "task": "tasks.budget_tasks.daily_reset_task",
        "schedule": crontab(hour=0, minute=0),
        "options": {"expires": 3600},
    },
    "monthly_reset": {
        "task": "tasks.budget_tasks.monthly_reset_task",
        "schedule": crontab(hour=0, minute=0, day_of_month=1),
        "options": {"expires": 3600},
    },
}

# --- Security --------------------------------------------------------------------------------------------------------

SECURE = not (DEMO or DEBUG)
SESSION_COOKIE_SECURE = SECURE
CSRF_COOKIE_SECURE = SECURE
SECURE_SSL_REDIRECT = SECURE and env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
BEHIND_TLS_PROXY = env.bool("BEHIND_TLS_PROXY", default=False)
if BEHIND_TLS_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SESSION_COOKIE_SAMESITE = "Lax"
# Nothing comes from another host, and no script stands in a page. The theme needs two exceptions: its Alpine evaluates
# the expressions in attributes, and it sets styles of elements.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [csp.SELF],
        "script-src": [csp.SELF, csp.UNSAFE_EVAL],
        "style-src": [csp.SELF, csp.UNSAFE_INLINE],
        "img-src": [csp.SELF, "data:"],
        "object-src": [csp.NONE],
        "base-uri": [csp.NONE],
        "form-action": [csp.SELF],
        "frame-ancestors": [csp.NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
PASSWORD_HASHERS = env.list(
    "PASSWORD_HASHERS",
    default=[
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.ScryptPasswordHasher",
    ],
)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Logins: after five wrong passwords for a name from an address, that pair waits; the address as a whole waits sooner
# than it can try many names. Neither locks a person out who comes from elsewhere.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "budget_system.requests.client_address"
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False  # access/admin.py shows what it keeps
AXES_LOCKOUT_CALLABLE = "access.login.locked_out"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # the wait that is announced is the wait

# --- The API ---------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "access.authentication.TokenAuthentication",
        "access.authentication.SessionAuthentication",
        *(["access.authentication.DemoAuthentication"] if DEMO else []),
    ],
    "DEFAULT_PERMISSION_CLASSES": ["access.permissions.MayDo"],
    "DEFAULT_THROTTLE_CLASSES": ["access.throttling.CallerThrottle"],
    "DEFAULT_RENDERER_CLASSES": [
        "budget_system.rest.renderers.JSONAnswer",
        "budget_system.rest.renderers.BrowsableAPI",
    ],
    "DEFAULT_PARSER_CLASSES": ["budget_system.rest.parsers.JSON", "budget_system.rest.parsers.JSONInForm"],
    "DEFAULT_PAGINATION_CLASS": "budget_system.rest.pagination.Pages",
    "DEFAULT_FILTER_BACKENDS": [
        "budget_system.rest.filters.StrictFilters",
        "budget_system.rest.filters.Search",
        "budget_system.rest.filters.Ordering",
    ],
    "DEFAULT_SCHEMA_CLASS": "budget_system.rest.schema.Operation",
    "EXCEPTION_HANDLER": "budget_system.rest.problems.handle",
    "URL_FORMAT_OVERRIDE": None,
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Budget system",
    "DESCRIPTION": (BASE_DIR / "budget_system" / "rest" / "description.md").read_text(),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["access.permissions.Anybody"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "persistAuthorization": True,
        "displayRequestDuration": True,
        "tryItOutEnabled": True,
        "defaultModelsExpandDepth": -1,
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "budget_system.rest.schema.add_problems",
    ],
    "ENUM_NAME_OVERRIDES": {
        "CampaignStatus": "campaigns.models.CampaignStatus",
        "ReservationStatus": "spending.models.ReservationStatus",
        "ImportState": "spending.models.ImportState",
        "Hold": "campaigns.api.HOLDS",
        "Platform": "campaigns.models.Platform",
        "BreakerState": "pacing.models.BreakerState",
        "AlertedKind": "alerts.models.KINDS",
        "AlertSeverity": "delivery.api.SEVERITY_NAMES",
        "EndpointKind": "delivery.models.EndpointKind",
        "EndpointState": "delivery.models.EndpointState",
        "DeliveryState": "delivery.models.DeliveryState",
        "StatusThere": "platforms.api.campaigns.STATUSES",
    },
}
REQUESTS_PER_MINUTE = env.int("REQUESTS_PER_MINUTE", default=6_000)

# --- Seeing: logs, metrics, mail about alarms ------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_FORMAT: logs.Format = env.str("LOG_FORMAT", default="line" if DEMO or DEBUG else "json")
if LOG_FORMAT not in logs.FORMATS:
    raise ImproperlyConfigured(f"LOG_FORMAT is “{LOG_FORMAT}”; it may be {' or '.join(logs.FORMATS)}.")
LOG_REQUESTS = LOG_FORMAT == "json"
logs.route()
LOGGING = logs.config(LOG_FORMAT, LOG_LEVEL)

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
if METRICS_TOKEN and len(METRICS_TOKEN) < 20:
    raise ImproperlyConfigured("METRICS_TOKEN must be a secret of at least 20 characters.")

# Who gets a mail when ticks stop or the books differ, and when that is over.
ADMINS = [(address, address) for address in env.list("ADMINS", default=[])]
vars().update(env.email_url("EMAIL_URL", default="consolemail://" if DEMO else "smtp://localhost:25"))
EMAIL_TIMEOUT = 10
EMAIL_SUBJECT_PREFIX = "[Budget system] "
SERVER_EMAIL = DEFAULT_FROM_EMAIL = env.str("MAIL_FROM", default="budget-system@localhost")

# --- Telling others --------------------------------------------------------------------------------------------------

# What secrets of webhooks and accounts are encrypted with: Fernet keys, the newest first. Without any, the key comes
# from SECRET_KEY.
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[])
for _key in ENCRYPTION_KEYS:
    try:
        Fernet(_key)
    except ValueError:
        raise ImproperlyConfigured(
            "Each of ENCRYPTION_KEYS must be a Fernet key, 32 bytes in URL-safe base64: .env.example says how to make "
            "one."
        ) from None
WEBHOOK_PORTS = env.list("WEBHOOK_PORTS", cast=int, default=[443, 8443])
WEBHOOK_LOOPBACK = DEMO
# Where people reach this system: links in messages begin with it.
PUBLIC_URL = env.str("PUBLIC_URL", default="").rstrip("/")
if not PUBLIC_URL:
    _host = next((host for host in ALLOWED_HOSTS if not host.startswith((".", "*"))), "localhost")
    PUBLIC_URL = f"http://localhost:{env.int('PORT', default=8000)}" if DEMO or DEBUG else f"https://{_host}"
if not PUBLIC_URL.startswith(("https://", "http://")):
    raise ImproperlyConfigured(f"PUBLIC_URL is “{PUBLIC_URL}”; write it like https://budget.example.com.")
# Simulators in place of ad platforms, on this machine and in demo mode only: GOOGLE=http://127.0.0.1:9001,META=…
PLATFORM_URLS: dict[str, str] = env.dict("PLATFORM_URLS", default={})
if PLATFORM_URLS and not DEMO:
    raise ImproperlyConfigured("PLATFORM_URLS is for demo mode (DEMO=1): it puts simulators in the place of platforms.")

# --- Admin -----------------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Budget system",
    "SITE_HEADER": "Budget system",
    "SITE_SUBHEADER": "Demo: sample data, this machine only" if DEMO else None,
    "SITE_SYMBOL": "payments",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "budget_system.admin.navigation.favicon"},
    ],
    "STYLES": ["budget_system.admin.navigation.stylesheet"],
    "SIDEBAR": {"navigation": "budget_system.admin.navigation.sidebar"},
    "DASHBOARD_CALLBACK": "budget_system.admin.navigation.dashboard",
}
