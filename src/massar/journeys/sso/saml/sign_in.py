"""Let a person into a SAML site: what the site asks, the judge of all protocols, a Response (profiles §4.1)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from massar.core import ids
from massar.core.browser import Browser
from massar.core.saml import names
from massar.core.saml.decode import EncodedMessage, decode_authn_request
from massar.core.saml.messages import Assertion, AuthnRequest, MessageRefused, Response
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.domain.sites.api import IdentityProvider, saml_idp
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import access, save_request
from massar.journeys.sso.access import (
    ACR_NO_RECENT_RECOVERY,
    ACR_PASSWORD,
    AccessDenied,
    AccessGranted,
    SignInRequired,
    Visit,
)
from massar.journeys.sso.saml.validate_message import validate

SCOPE = "saml"
CLASSES = (names.CLASS_PROTECTED, names.CLASS_PASSWORD, names.CLASS_UNSPECIFIED, ACR_PASSWORD, ACR_NO_RECENT_RECOVERY)


@dataclass(frozen=True)
class RequestedSignIn:
    """What a site asks, judged by the registry. Texts and flags only, so that it can wait while the person signs in.

    Attributes:
        id: of the AuthnRequest; '': nobody asked, the card on the home page was pressed.
        name_id_kind: None: the site asks for one that it can't have.
        contexts: the classes that will do, the best first; (): any; None: none of them can be had.
    """

    site: str
    id: str
    acs: str
    relay_state: str
    received: str
    force: bool = False
    passive: bool = False
    name_id_kind: str | None = ""
    contexts: tuple[str, ...] | None = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RequestedSignIn:
        values = json.loads(text)
        contexts = values["contexts"]
        return cls(**{**values, "contexts": None if contexts is None else tuple(contexts)})


def requested(
    encoded: EncodedMessage, *, idp: IdentityProvider, signed_in: SignedIn | None, browser: Browser, now: datetime
) -> RequestedSignIn:
    """What an AuthnRequest asks. Raises MessageRefused, after which nothing is sent anywhere."""
    valid = validate(
        decode_authn_request(encoded),
        idp=idp,
        destination=idp.sso_url,
        must_be_signed=False,
        now=now,
        may_remember=lambda: save_request.may_add_to_replay_cache(signed_in=signed_in, browser=browser, now=now),
    )
    site, request = valid.site, valid.message
    return RequestedSignIn(
        site=site.slug,
        id=request.id,
        acs=_acs(request, site),
        relay_state=valid.relay_state,
        received=now.isoformat(),
        force=request.force_authn,
        passive=request.is_passive,
        name_id_kind=_name_id_kind(request, site),
        contexts=_contexts(request),
    )


def unsolicited(site: sites.Site, *, now: datetime) -> RequestedSignIn:
    """The card of a site on the home page: a Response that nobody asked for (profiles §4.1.5)."""
    return RequestedSignIn(site=site.slug, id="", acs=site.acs[0], relay_state="", received=now.isoformat())


def _acs(request: AuthnRequest, site: sites.Site) -> str:
    """Only an address of the registry, byte for byte (ATK-117)."""
    url, index = request.acs_url, request.acs_index
    if request.protocol_binding != names.POST:
        raise MessageRefused("address", "Answers go by HTTP-names.POST only.")
    if url is not None and index is not None:
        raise MessageRefused("address", "AssertionConsumerServiceURL and -Index exclude each other.")
    if url is not None and url not in site.acs:
        raise MessageRefused("address", "AssertionConsumerServiceURL is not registered.")
    if index is not None and index not in site.acs_by_index:
        raise MessageRefused("address", "AssertionConsumerServiceIndex is not registered.")
    return url or (site.acs[0] if index is None else site.acs_by_index[index])


def _name_id_kind(request: AuthnRequest, site: sites.Site) -> str | None:
    """What the registry says; if the site asks for one that tells less, then that. More it can't have: None."""
    if request.sp_name_qualifier not in (None, site.entity_id):
        return None  # a name for a group of sites: there are none (SAML core §3.4.1.1)
    if request.name_id_format == names.UNSPECIFIED:
        return site.name_id
    allowed = saml_idp.name_id_kinds(site)
    return next((kind for kind in allowed if names.NAME_ID_FORMATS[kind] == request.name_id_format), None)


def _contexts(request: AuthnRequest) -> tuple[str, ...] | None:
    """The classes that will do. 'better' than a password is ACR_NO_RECENT_RECOVERY alone."""
    if request.context_classes is None:
        return ()
    known = tuple(name for name in request.context_classes if name in CLASSES)
    if request.context_comparison == "better":
        return (ACR_NO_RECENT_RECOVERY,) if known and ACR_NO_RECENT_RECOVERY not in known else None
    return known or None


def site_of(requested: RequestedSignIn) -> sites.Site:
    """The registered site of a request. Raises MessageRefused if it is none any more, or the address not its own."""
    site = settings.MASSAR.sites.by_slug.get(requested.site)
    if site is None or site.protocol != "saml" or requested.acs not in site.acs:
        raise MessageRefused("site", "The site is no longer registered.")
    return site


def answer(
    *, site: sites.Site, requested: RequestedSignIn, signed_in: SignedIn | None, browser: Browser, now: datetime
) -> Response | SignInRequired | AccessDenied:
    """The answer for whoever is signed in, or an error that the site asked for, or what stands in between."""
    if requested.name_id_kind is None:
        return _answer(site, requested, (names.REQUESTER, names.INVALID_NAME_ID_POLICY), None, now)
    if requested.contexts is None:
        return _answer(site, requested, (names.RESPONDER, names.NO_AUTHN_CONTEXT), None, now)
    judged = access.decide(
        site=site,
        signed_in=signed_in,
        now=now,
        fresh_since=datetime.fromisoformat(requested.received) if requested.force else None,
        no_recent_recovery=set(requested.contexts) == {ACR_NO_RECENT_RECOVERY},
    )
    if isinstance(judged, AccessGranted):
        return _enter(site, requested, judged, browser, now)
    if isinstance(judged, AccessDenied) and signed_in:
        access.record_denial(site=site, signed_in=signed_in, why=judged, browser=browser, now=now)
    return _answer(site, requested, (names.RESPONDER, names.NO_PASSIVE), None, now) if requested.passive else judged


def _answer(
    site: sites.Site, requested: RequestedSignIn, status: tuple[str, ...], assertion: Assertion | None, now: datetime
) -> Response:
    issuer = saml_idp.idp_of(site).entity_id
    return Response(f"_{ids.short_token()}", issuer, now, requested.acs, requested.id, status, assertion)


def _enter(
    site: sites.Site, requested: RequestedSignIn, enter: AccessGranted, browser: Browser, now: datetime
) -> Response | SignInRequired:
    kind = requested.name_id_kind or site.name_id
    with transaction.atomic():
        # Held: what ends the session at this moment finds this visit and tells the site, or the site is not entered.
        if not sessions.signed_in.hold(enter.session_id):
            return SignInRequired(again=False)
        # The kind of name is kept: a LogoutRequest must call the person as the site was told.
        life = int(settings.MASSAR.session_longest.total_seconds())  # the grant ends with its session in any case
        scope = f"{SCOPE} {kind}"
        visit = access.open_visit(site=site, granted=enter, scope=scope, life=life, browser=browser, now=now)
    assertion = _assertion(site, requested.contexts or (), kind, enter, visit)
    return _answer(site, requested, (names.SUCCESS,), assertion, now)


def _assertion(site: sites.Site, contexts: tuple[str, ...], kind: str, enter: AccessGranted, visit: Visit) -> Assertion:
    claims = access.claims_of(enter.person, names=set(site.released.values()))
    value = saml_idp.name_id_values(visit.sid, visit.subject, enter.person.login)[kind]
    true_contexts = (name for name in contexts if name != ACR_NO_RECENT_RECOVERY or enter.acr == ACR_NO_RECENT_RECOVERY)
    return Assertion(
        name_id=saml_idp.name_id(site, kind, value),
        audience=site.entity_id,
        authenticated_at=enter.auth_time,
        session_ends_at=enter.auth_time + settings.MASSAR.session_longest,
        session_index=visit.sid,
        context_class=next(true_contexts, names.CLASS_PROTECTED),
        attributes={name: claims[claim] for name, claim in site.released.items() if claim in claims},
    )
