"""«This was not me»: what the link of a notice opens. Looking changes nothing; the button freezes the account."""

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from massar.interfaces.base import cookies, errors, page
from massar.interfaces.base.request import Request
from massar.journeys.account import freeze_account
from massar.journeys.outcomes import AccountFrozen, TooManyAttempts


@require_http_methods(["GET", "HEAD", "POST"])
def not_me(request: Request, token: str) -> HttpResponse:
    if request.method == "POST":
        outcome = freeze_account.by_link(token=token, browser=request.browser, now=request.now)
        if isinstance(outcome, TooManyAttempts):
            return errors.render_error(request, 429, wait_until=outcome.until)
        response = page.redirect_to("not_me", token=token)  # it says what it is now
        if isinstance(outcome, freeze_account.Denied):
            # It stands in the form of recovery: who steals a link shuts the account, and learns whose it is.
            cookies.RECOVERY_LOGIN.write(response, outcome.person.login)
            if request.signed_in is None:  # it has ended with the others
                cookies.SESSION.drop(response)
        return response
    found = freeze_account.look(token=token, now=request.now)
    denied = found if isinstance(found, freeze_account.Denied) else None
    return page.render(
        request, "not_me/not_me.html", event=denied.event if denied else None, frozen=isinstance(found, AccountFrozen)
    )
