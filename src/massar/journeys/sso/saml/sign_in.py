"""Let a person into a SAML site: what the site asks, the judge of all protocols, a Response (profiles §4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from massar.core import ids
from massar.core.saml import messages
from massar.core.saml.decode import EncodedMessage, decode_authn_request
from massar.core.saml.messages import Assertion, AuthnRequest, MessageRefused, Response, demand
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.domain.sites.api import IdentityProvider, saml_idp
from massar.journeys.sso import access
from massar.journeys.sso.access import (
    ACR_NO_RECENT_RECOVERY,
    ACR_TWO_FACTORS,
    AccessDenied,
    AccessGranted,
    SecondFactorRequired,
    SignInRequired,
    Visitor,
)
from massar.journeys.sso.saml.validate_message import validate

BETTER = (ACR_NO_RECENT_RECOVERY, ACR_TWO_FACTORS)  # than a password
CLASSES = (messages.CLASS_PROTECTED, messages.CLASS_PASSWORD, messages.CLASS_UNSPECIFIED, *access.ACRS)


@dataclass(frozen=True)
class RequestedSignIn:
    """What a site asks, judged by the registry. Its fields are JSON, so that it can wait while the person signs in.

    id: of the AuthnRequest; '': nobody asked, the card on the home page was pressed. name_id_kind: None: the site asks
    for one that it can't have. contexts: the classes that will do, the best first; empty: any; None: none can be had.
    """

    site: str
    id: str
    acs: str
    relay_state: str
    received: str
    force: bool = False
    passive: bool = False
    name_id_kind: str | None = ""
    contexts: Sequence[str] | None = ()


def requested(encoded: EncodedMessage, idp: IdentityProvider, visitor: Visitor) -> RequestedSignIn:
    """What an AuthnRequest asks. Raises MessageRefused, after which nothing is sent anywhere."""
    received, now = decode_authn_request(encoded), visitor.now
    valid = validate(received, idp=idp, destination=idp.at("sso"), now=now, visitor=visitor)
    site, request = valid.site, valid.message
    return RequestedSignIn(
        site.slug, request.id, _acs(request, site), valid.relay_state, now.isoformat(), request.force_authn,
        request.is_passive, _name_id_kind(request, site), _contexts(request),
    )  # fmt: skip


def _acs(request: AuthnRequest, site: sites.Site) -> str:
    """Only an address of the registry, byte for byte (ATK-117)."""
    url, index = request.acs_url, request.acs_index
    for right, why in (
        (request.protocol_binding == messages.POST, "Answers go by HTTP-POST only."),
        (url is None or index is None, "AssertionConsumerServiceURL and -Index exclude each other."),
        (url is None or url in site.acs, "AssertionConsumerServiceURL is not registered."),
        (index is None or index in site.acs_by_index, "AssertionConsumerServiceIndex is not registered."),
    ):
        demand(right, why, problem="address")
    return url or (site.acs[0] if index is None else site.acs_by_index[index])


def _name_id_kind(request: AuthnRequest, site: sites.Site) -> str | None:
    """What the registry says; if the site asks for one that tells less, then that. More it can't have: None."""
    if request.sp_name_qualifier not in (None, site.entity_id):
        return None  # a name for a group of sites: there are none (SAML core §3.4.1.1)
    if request.name_id_format == messages.UNSPECIFIED:
        return site.name_id
    allowed = saml_idp.name_id_kinds(site)
    return next((kind for kind in allowed if messages.NAME_ID_FORMATS[kind] == request.name_id_format), None)


def _contexts(request: AuthnRequest) -> tuple[str, ...] | None:
    """The classes that will do. Nothing is better than one of BETTER; these are better than a password."""
    if request.context_classes is None:
        return ()
    known = tuple(name for name in request.context_classes if name in CLASSES)
    if request.context_comparison == "better":
        return BETTER if known and not set(BETTER) & set(known) else None
    return known or None


def site_of(requested: RequestedSignIn) -> sites.Site:
    """The registered site of a request. Raises MessageRefused if it is none any more, or the address not its own."""
    site = settings.MASSAR.sites.by_slug.get(requested.site)
    if site is None or site.protocol != "saml" or requested.acs not in site.acs:
        raise MessageRefused("site", "The site is no longer registered.")
    return site


def answer(
    site: sites.Site, requested: RequestedSignIn, visitor: Visitor
) -> Response | SignInRequired | SecondFactorRequired | AccessDenied:
    """The answer for whoever is signed in, or an error that the site asked for, or what stands in between."""

    def response(*status: str, assertion: Assertion | None = None) -> Response:
        issuer = saml_idp.idp_of(site).entity_id
        return Response(f"_{ids.short_token()}", issuer, visitor.now, requested.acs, requested.id, status, assertion)

    if requested.name_id_kind is None:
        return response(messages.REQUESTER, messages.INVALID_NAME_ID_POLICY)
    if requested.contexts is None:
        return response(messages.RESPONDER, messages.NO_AUTHN_CONTEXT)
    since = datetime.fromisoformat(requested.received) if requested.force else None
    one_of = requested.contexts if set(requested.contexts) <= set(BETTER) else ()
    judged = access.decide(site=site, visitor=visitor, fresh_since=since, one_of=one_of)
    if isinstance(judged, AccessGranted):
        assertion = _enter(judged, visitor, requested.name_id_kind or site.name_id, requested.contexts)
        return response(messages.SUCCESS, assertion=assertion) if assertion else SignInRequired(again=False)
    return response(messages.RESPONDER, messages.NO_PASSIVE) if requested.passive else judged


def _enter(enter: AccessGranted, visitor: Visitor, kind: str, contexts: Sequence[str]) -> Assertion | None:
    """Open a visit under a name of that kind. None: the session has ended meanwhile."""
    site = enter.site
    with transaction.atomic():
        # Held: what ends the session at this moment finds this visit and tells the site, or the site is not entered.
        if not sessions.signed_in.hold(enter.session.id, enter.session.person_id):
            return None
        # The kind of name is kept: a LogoutRequest must call the person as the site was told.
        life = int(settings.MASSAR.session_longest.total_seconds())  # the grant ends with its session in any case
        visit = access.open_visit(enter, visitor, scope=f"saml {kind}", life=life)
    claims = access.claims_of(enter.person, names=set(site.released.values()))
    wishes = contexts or ((ACR_TWO_FACTORS,) if site.second_factor else ())
    true_contexts = (name for name in wishes if name not in BETTER or name in enter.acrs)
    name, begun = saml_idp.name_id(site, kind, visit.sid, visit.subject, enter.person.login), enter.session.signed_in_at
    return Assertion(
        name, site.entity_id, authenticated_at=begun, session_ends_at=begun + settings.MASSAR.session_longest,
        session_index=visit.sid, context_class=next(true_contexts, messages.CLASS_PROTECTED),
        attributes={name: claims[claim] for name, claim in site.released.items() if claim in claims},
    )  # fmt: skip
