"""The operators' page about messages, and the addresses of operators: people open /desk/ with their role, programs
/metrics with a token. Whoever may not see it meets what stands at an address that does not exist."""

from collections.abc import Callable
from functools import wraps

from babel.numbers import format_decimal
from django.http import Http404, HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from massar.core import local_time
from massar.domain.delivery import api as delivery
from massar.interfaces.base import page, way_back
from massar.interfaces.base.request import Request
from massar.interfaces.ops import metrics, plots
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.messages import deliver_messages, watch_messages


def operators_only(view: Callable[[Request], HttpResponse]) -> Callable[..., HttpResponse]:
    """A stranger is sent to sign in, as everywhere; a person without the right finds nothing here."""

    @wraps(view)
    def guarded(request: Request, signed_in: SignedIn) -> HttpResponse:
        if not signed_in.person.operates:
            raise Http404
        return view(request)

    return way_back.signed_in_only(guarded)


@require_safe
@operators_only
def index(request: Request) -> HttpResponse:
    return page.redirect_to("ops_messages")


@require_safe
@operators_only
def messages(request: Request) -> HttpResponse:
    day = request.GET.get("window") == "day"
    window = delivery.metrics.DAY if day else delivery.metrics.HOUR
    seen = watch_messages.Overview(now=request.now, window=window)
    tallies = (tally for (channel, _), tally in seen.tallies.items() if channel in deliver_messages.CHANNELS)
    steps = delivery.metrics.tally_over_time(now=request.now, window=window, step=watch_messages.STEP)
    return page.render(
        request, "ops/messages.html", day=day, seen=seen, total=delivery.metrics.add_up(tallies),
        waiting=sum(one.count for one in seen.queue if one.state != "awaiting_receipt"),
        plots=plots.of(steps),
        number=lambda value, digits=0: _number(value, digits, request.language),
        age=lambda moment: local_time.elapsed(moment, request.now),
    )  # fmt: skip


def _number(value: float | None, digits: int, language: str) -> str:
    """`1 234,50` in Moroccan French; a dash where there is none."""
    if value is None:
        return "–"
    pattern = f"#,##0.{'0' * digits}" if digits else "#,##0"
    return format_decimal(round(value, digits), pattern, locale=local_time.LOCALES[language])


urlpatterns = [
    path("desk/", index, name="ops"),
    path("desk/messages/", messages, name="ops_messages"),
    path("metrics", metrics.metrics, name="metrics"),
]
