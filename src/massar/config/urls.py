"""Every address of the product."""

from django.conf import settings
from django.urls import include, path

PARTS = ("web.urls", "sso.urls", "receipts", "desk.urls", "ops.views")
urlpatterns = [path("", include(f"massar.interfaces.{part}")) for part in PARTS]
if settings.MASSAR.demo:  # the on-screen phone exists in the demo alone
    urlpatterns.append(path("demo/", include("massar.interfaces.demo.views")))

handler400 = "massar.interfaces.base.errors.bad_request"
handler403 = "massar.interfaces.base.errors.forbidden"
handler404 = "massar.interfaces.base.errors.not_found"
handler500 = "massar.interfaces.base.errors.server_error"
