"""Call-backs of providers: read, stored, and only then answered. A repeat gets the same answer as the first call. The
address itself is the proof; see domain/delivery/receipts_address.py."""

import logging
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse, UnreadablePostError
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from massar.domain.delivery import api as delivery
from massar.interfaces.base import outage
from massar.interfaces.base.request import Request, client_address
from massar.journeys.messages import take_receipt
from massar.providers.sms_http.receipt import ReceiptForm
from massar.providers.sms_http.settings import receipt_form

note = logging.getLogger("massar.receipts")
LONGEST_QUERY = 4000


def _later(request: Request) -> HttpResponse:
    """Say that nothing could be stored: the provider calls again."""
    answer = _said("later", 503)
    answer["Retry-After"] = "30"
    return answer


@csrf_exempt
@outage.answer_when_away(_later)
@require_http_methods(["GET", "POST"])
def receipt(request: Request, provider: str, token: str) -> HttpResponse:
    """404 to whoever does not know the address or calls from elsewhere; 503 when nothing could be stored, so that the
    provider calls again."""
    form = known(provider) if provider in settings.MASSAR.providers else None
    uid = delivery.receipts_address.read(provider, token) if form else None
    if form is None or uid is None or not form.may_call(client_address(request)):
        return _said("unknown", 404)
    query, kind = request.META.get("QUERY_STRING", ""), request.META.get("CONTENT_TYPE", "")
    try:
        body = request.body  # bounded by DATA_UPLOAD_MAX_MEMORY_SIZE
        found = None if len(query) > LONGEST_QUERY else form.read(query=query, content_type=kind, body=body)
    except (RequestDataTooBig, UnreadablePostError):
        found = None
    if found is None:
        note.warning("a call-back of %s can't be read", provider)
        return _said("unreadable", 400)
    # Of several that have names, not all need be about the message whose address was called.
    about = uid if len(found) == 1 or not form.names_messages else ""
    take_receipt.take([(one, about) for one in found], now=request.now)
    return _said("ok", 200)


@lru_cache(maxsize=64)
def known(provider: str) -> ReceiptForm | None:
    table = settings.MASSAR.providers[provider]
    return receipt_form(table, name=provider, environ=settings.MASSAR.environ) if table.get("kind") == "http" else None


def _said(word: str, status: int) -> HttpResponse:
    return HttpResponse(f"{word}\n", status=status, content_type="text/plain; charset=utf-8")


urlpatterns = [path("receipts/<str:provider>/<str:token>", receipt, name="receipt")]
