"""Every address of the product."""

from django.conf import settings
from django.urls import include, path

urlpatterns = [
    path("", include("massar.interfaces.web.urls")),
    path("", include("massar.interfaces.sso.urls")),
    path("", include("massar.interfaces.receipts")),
    path("", include("massar.interfaces.ops.views")),
]
if settings.MASSAR.demo:  # the on-screen phone exists in the demo alone
    urlpatterns.append(path("demo/", include("massar.interfaces.demo.views")))

handler400 = "massar.interfaces.base.errors.bad_request"
handler403 = "massar.interfaces.base.errors.forbidden"
handler404 = "massar.interfaces.base.errors.not_found"
handler500 = "massar.interfaces.base.errors.server_error"
