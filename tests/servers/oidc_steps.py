"""The code flow written out by hand, for tests whose client is something else (a mail program has tokens already)."""

import base64
import hashlib
import json
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.servers.account import Account
from tests.servers.sites import SECRETS, Layout
from tests.servers.surfer import Page, Surfer


def discovered(account: Account) -> dict:
    page = Surfer().open(f"{account.url}/.well-known/openid-configuration")
    assert page.status == 200, page.text
    return json.loads(page.text)


def tokens(account: Account, layout: Layout, surfer: Surfer, site: str, scope: str, back: str = "") -> dict:
    """What the token endpoint gave for the person who is signed in at the surfer (RFC 6749 §5.1).

    back: the redirect URI; the site's own at its port of the layout where it is left out.
    """
    known, back, verifier = discovered(account), back or layout.at(site, "/back"), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code", "client_id": site, "redirect_uri": back, "scope": scope, "state": "s", "nonce": "n",
        "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    surfer.stops_at = back
    surfer.open(f"{known['authorization_endpoint']}?{urlencode(asked)}")
    answer = parse_qs(urlsplit(surfer.way[-1]).query)
    assert "code" in answer, surfer.way
    given = {"grant_type": "authorization_code", "redirect_uri": back, "code_verifier": verifier}
    page = posted(account, site, code=answer["code"][0], **given)
    assert page.status == 200, page.text
    return json.loads(page.text)


def posted(account: Account, site: str, **form: str) -> Page:
    """The token endpoint's answer; a site without a secret only says who it is (RFC 6749 §2.3.1, §3.2.1)."""
    endpoint, secret = discovered(account)["token_endpoint"], SECRETS.get(site)
    if secret is None:
        return Surfer().ask("POST", endpoint, urlencode({**form, "client_id": site}))
    basic = base64.b64encode(f"{site}:{secret}".encode()).decode()
    return Surfer().ask("POST", endpoint, urlencode(form), Authorization=f"Basic {basic}")
