"""Django's settings, all derived from the typed ones. Nothing is read from the environment here but through `load`."""

from pathlib import Path
from urllib.parse import urlsplit

from massar.config.environment import load

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1", "[::1]")
MASSAR = load()
PACKAGE = Path(__file__).resolve().parent.parent
DEBUG = False
SECRET_KEY = MASSAR.secret_key
ALLOWED_HOSTS = sorted({MASSAR.host, *(() if MASSAR.https else LOOPBACK_HOSTS)})
ROOT_URLCONF = "massar.config.urls"
USE_X_FORWARDED_HOST = False
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if MASSAR.trusted_proxies else None
ROOMS = (
    "people", "credentials", "factors", "sessions", "limits", "delivery", "sites", "desk", "upkeep", "campaigns",
    "figures",
)  # fmt: skip
APPS = ("massar.core.audit", "massar.core.keyring")
INSTALLED_APPS = [*APPS, *(f"massar.domain.{room}" for room in ROOMS), "django.contrib.staticfiles"]
MIDDLEWARE = [
    "massar.interfaces.base.middleware.RequestContextMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # after the files, compressed once (docs/adr/0046-compressed-pages.md)
    "massar.interfaces.base.middleware.explain_method_not_allowed",
    "django.middleware.csrf.CsrfViewMiddleware",
    "massar.interfaces.base.outage.DatabaseOutageMiddleware",
]
DATABASES = {"default": {**MASSAR.database, "ATOMIC_REQUESTS": False}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2", "APP_DIRS": False,
        "DIRS": sorted(str(p) for p in (PACKAGE / "interfaces").glob("*/templates")),
        "OPTIONS": {"environment": "massar.interfaces.base.jinja.environment"},
    }
]  # fmt: skip
TIME_ZONE = "UTC"
LANGUAGE_CODE = "ar"
LANGUAGES = [("ar", "العربية"), ("fr", "Français"), ("en", "English")]
LOCALE_PATHS = [str(PACKAGE / "locale")]
STATIC_URL = "/static/"
STATIC_ROOT = str(MASSAR.var / "static")
STATICFILES_DIRS = sorted(str(p) for p in (PACKAGE / "interfaces").glob("*/static"))
STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if MASSAR.mode != "test"
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = MASSAR.mode == "test"
WHITENOISE_MAX_AGE = 3600

# Cookies: over https the browser itself enforces host and Secure (RFC 6265bis `__Host-`).
CSRF_COOKIE_NAME = "__Host-massar-csrf" if MASSAR.https else "massar-csrf"
CSRF_COOKIE_SECURE = MASSAR.https
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [MASSAR.public_url] if urlsplit(MASSAR.public_url).scheme else []
CSRF_FAILURE_VIEW = "massar.interfaces.base.errors.csrf_failure"

# Bounds before anything costly (ASVS 15.2.2; ATK-066, ATK-100).
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 60
DATA_UPLOAD_MAX_NUMBER_FILES = 1  # a list at the help desk; elsewhere the middleware refuses it
FILE_UPLOAD_MAX_MEMORY_SIZE = 2**24  # nothing larger is read at all (interfaces/base/rsgi.py)
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
LOGGING_CONFIG = None
SILENCED_SYSTEM_CHECKS = ["security.W003"]
