"""Our own pages by their addresses: what may be come back to, and what a mistyped or reloaded address meant."""

from django.urls import Resolver404, ResolverMatch, resolve, reverse

from massar.interfaces.base.request import Request

GET_ONLY = (
    "home", "site", "sign_in", "recovery", "recovery_asked", "case_ask", "case", "vouch", "vouch_code",
    "desk_lists", "desk_list",
    "password_expired", "password_change", "password_changed", "profile", "my_data", "contact_cancel_link", "security",
    "factor_app", "second_step", "second_step_app", "second_step_passkey_first", "factors_lost", "loss_cancel_link",
    "not_me", "devices", "history", "everywhere", "desk", "desk_prove", "desk_people", "desk_found", "desk_person",
    "desk_contact", "desk_recover", "desk_cases", "desk_case", "desk_loss", "desk_slip", "desk_code", "desk_slips",
    "desk_slips_unit", "desk_slip_batch", "desk_classes", "desk_class", "desk_class_sheet",
    "desk_campaigns", "desk_campaign", "desk_campaign_new", "desk_season", "desk_figures", "desk_sites",
    "desk_site_table", "ops_messages", "demo",
)  # fmt: skip
_BEHIND = " /.,;:!?()<>[]\"'«»،؛؟…"  # what stands behind an address in a sentence; no token of ours ends so
OF_SITES = ("oidc_", "saml_", "gate_", "receipt")  # beginnings of names: programs ask there, by standards of their own
TAKE_FILES = {"desk_lists"}
# What is posted here may cost a hash and waits for its turn (`rush.py`); elsewhere there is none to be had.
BY_TURNS = {
    "sign_in", "factors_lost", "password_change", "profile", "contact_remove", "my_data", "factor_app_begin",
    "passkey_begin", "backup_codes", "factor_remove", "child_start", "child_stop", "desk_prove",
}  # fmt: skip
# Of these, what answers a field that came twice itself: to the site, in JSON, to a proxy, or as a list.
JUDGE_FIELDS = {
    "oidc_authorize", "oidc_token", "oidc_userinfo", "oidc_introspect", "oidc_revoke",
    "gate_check", "gate_begin", "gate_enter", "gate_forward", "receipt",
}  # fmt: skip


def own_page(wanted: str) -> str:
    """Return `wanted` if it is one of our pages to be asked for with GET, else the nearest above it; at last home.
    ATK-090: an allow-list, and what is returned is built anew. A refused form stands at an address below its page."""
    path, mark, query = wanted.partition("?")
    match = _page_at(path)
    if match is None:
        return page_above(path)
    safe_query = query if query.isascii() and query.isprintable() and len(query) < 100 else ""
    return reverse(match.view_name, kwargs=match.kwargs) + (mark + safe_query if safe_query else "")


def page_above(path: str) -> str:
    """Return our nearest page above an address: a wrong code leaves the browser at `/profile/contacts/7/prove/`."""
    parts = path.split("/")[1:-2] if path.isascii() and len(path) < 1000 else []
    for count in range(len(parts), 0, -1):
        match = _page_at(f"/{'/'.join(parts[:count])}/")
        if match:
            return reverse(match.view_name, kwargs=match.kwargs)
    return reverse("home")


def guess_page(request: Request) -> str:
    """Guess the page that an address means, as people type and paste it; "" where there is none. Without its slash,
    with a full stop or a bracket behind, in capitals."""
    if request.method not in ("GET", "HEAD") or "//" in request.path:  # ATK-095: two slashes are no slip of typing
        return ""
    bare = f"{request.path.rstrip(_BEHIND)}/"
    lowered = bare.lower()
    as_written, small = _page_at(bare), _page_at(lowered)
    path = bare if as_written else lowered if small and "token" not in small.kwargs else ""
    if path in ("", "/", request.path):  # what is asked for already and answers 404 leads nowhere else
        return ""
    query = request.META.get("QUERY_STRING", "")
    return own_page(path + (f"?{query}" if query else ""))


def name_of(request: Request) -> str:
    """Return the name of the address that was asked for; "" for one that is not ours."""
    return (request.resolver_match and request.resolver_match.url_name) or ""


def _page_at(path: str) -> ResolverMatch | None:
    if not path.isascii() or not path.startswith("/") or path.startswith("//"):
        return None
    try:
        match = resolve(path)
    except Resolver404:
        return None
    return match if match.url_name in GET_ONLY else None
