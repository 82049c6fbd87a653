"""Every module of the OpenID Foundation's certification plans that the account is held to is played by its name.

https://openid.net/certification/conformance-testing-for-openid-connect/ (the suite's plans for a static client). The
plan oidcc-formpost-basic is the basic one with response_mode=form_post: test_basic.py plays each module in both modes.
"""

import re
from pathlib import Path

BASIC = """
    oidcc-server oidcc-response-type-missing oidcc-idtoken-signature oidcc-idtoken-unsigned oidcc-userinfo-get
    oidcc-userinfo-post-header oidcc-userinfo-post-body oidcc-ensure-request-without-nonce-succeeds-for-code-flow
    oidcc-scope-profile oidcc-scope-email oidcc-scope-address oidcc-scope-phone oidcc-scope-all
    oidcc-alternate-happy-flow oidcc-display-page oidcc-display-popup oidcc-prompt-login
    oidcc-prompt-none-not-logged-in oidcc-prompt-none-logged-in oidcc-max-age-1 oidcc-max-age-10000
    oidcc-ensure-request-with-unknown-parameter-succeeds oidcc-id-token-hint oidcc-login-hint oidcc-ui-locales
    oidcc-claims-locales oidcc-ensure-request-with-acr-values-succeeds oidcc-codereuse oidcc-codereuse-30seconds
    oidcc-ensure-registered-redirect-uri oidcc-ensure-post-request-succeeds oidcc-server-client-secret-post
    oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported
    oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported oidcc-claims-essential
    oidcc-ensure-request-object-with-redirect-uri oidcc-refresh-token oidcc-ensure-request-with-valid-pkce-succeeds
"""
CONFIG = "oidcc-discovery-endpoint-verification"
RP_INITIATED_LOGOUT = """
    oidcc-rp-initiated-logout-discovery-endpoint-verification oidcc-rp-initiated-logout
    oidcc-rp-initiated-logout-bad-post-logout-redirect-uri oidcc-rp-initiated-logout-modified-id-token-hint
    oidcc-rp-initiated-logout-no-id-token-hint oidcc-rp-initiated-logout-no-params
    oidcc-rp-initiated-logout-no-post-logout-redirect-uri oidcc-rp-initiated-logout-no-state
    oidcc-rp-initiated-logout-only-state oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri
    oidcc-rp-initiated-logout-bad-id-token-hint
"""
BACKCHANNEL_LOGOUT = """
    oidcc-backchannel-rp-initiated-logout-discovery-endpoint-verification oidcc-backchannel-rp-initiated-logout
"""
PLAYED = re.compile(r'^def test_(oidcc_\w+)\(|^    "(oidcc-[a-z0-9-]+)": ', re.MULTILINE)


def test_every_module_of_the_plans_is_played_once():
    plans = [plan.split() for plan in (BASIC, CONFIG, RP_INITIATED_LOGOUT, BACKCHANNEL_LOGOUT)]
    found = [PLAYED.findall(path.read_text("utf-8")) for path in sorted(Path(__file__).parent.glob("test_*.py"))]
    played = [(function or row).replace("_", "-") for names in found for function, row in names]
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        tables = re.findall(r'^(\w+)(?:: .*)? = \{\n    "oidcc-', path.read_text("utf-8"), re.MULTILINE)
        assert all(re.search(rf"parametrize\(.*\b{table}\b", path.read_text("utf-8")) for table in tables), path
    assert sorted(played) == sorted(name for plan in plans for name in plan)
    assert [len(plan) for plan in plans] == [38, 1, 11, 2]
