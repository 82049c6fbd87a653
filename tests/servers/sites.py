"""The sites of these tests: a port and secrets for each, and the registry file that the product reads.

The product is `localhost`, the sites are `127.0.0.1`: two hosts, as in life, so that their cookies stay apart.
"""

import json
from dataclasses import dataclass

from massar.domain.sites.api import hashed_secret
from tests.servers.pages import registered
from tests.support.certificates import Pair, pair
from tests.support.postgres import free_port

APACHE, GATE, MAIL = (f"docs/integrate/{name}.md" for name in ("apache", "nginx-gate", "dovecot"))

NAMES = ("account", "gated", "lost", "archive", "backend", "apache_oidc", "apache_saml", "node", "authlib",
         "toolkit", "imap", "submission", "mail", "counted", "pipe", "fastcgi", "uwsgi",
         "scgi", "socket", "front", "shibboleth", "caddy", "traefik", "oauth2_proxy", "pysaml2", "node_saml", "spring",
         "ruby_saml")  # fmt: skip
SHIBBOLETH = ("/Shibboleth.sso/SAML2/POST", "/Shibboleth.sso/SLO/Redirect")  # where answers and LogoutResponses go
SECRETS = {
    name: f"secret-of-{name}-0123456789-abcdefghij"
    for name in ("apache_oidc", "node", "authlib", "mail", "dovecot", "caddy", "traefik", "oauth2_proxy", "spring")
}


@dataclass(frozen=True)
class Layout:
    """Ports by name; the SAML site's private key and certificate."""

    ports: dict[str, int]
    keys: Pair

    def port(self, name: str) -> int:
        return self.ports[name]

    def at(self, name: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def registry(self) -> str:
        return "\n".join(_table(slug, values) for slug, values in self._sites().items())

    def _sites(self) -> dict[str, dict]:
        return {
            "gated": registered(GATE, "notifrh", {"https://notifrh.example.ma": self.at("gated")}),
            "archive": {"protocol": "gate", "gate_origin": self.at("archive")},
            "lost": {"protocol": "gate", "gate_origin": self.at("lost")},
            "counted": {"protocol": "gate", "gate_origin": self.at("counted")},
            **{name: {"protocol": "gate", "gate_origin": self.at(name), "gate_key": _hash(name),
                      "attributes": ["email", "name", "school"]} for name in ("caddy", "traefik")},
            "apache": registered(APACHE, "esise", {"https://sise.example.ma": self.at("apache_oidc")},
                                 client_id="apache_oidc", client_secret=_hash("apache_oidc")),
            "node": _oidc("node", self.at("node", "/back"), scopes=["openid", "profile", "email", "offline_access"],
                          client_auth="client_secret_post"),
            "authlib": _oidc("authlib", self.at("authlib", "/back"), scopes=["openid", "profile", "email"]),
            # As in docs/integrate/java.md.
            "spring": _oidc("spring", self.at("spring", "/login/oauth2/code/account"), algorithm="RS256",
                            backchannel_logout_uri=self.at("spring", "/logout/connect/back-channel/account"),
                            scopes=["openid", "profile", "email", "school"]),
            # As in docs/integrate/oauth2-proxy.md.
            "oauth2_proxy": _oidc("oauth2_proxy", self.at("oauth2_proxy", "/oauth2/callback"), hears_sign_out=False,
                                  scopes=["openid", "profile", "email", "offline_access"],
                                  id_token_claims=["email", "name"]),
            "mail": registered(MAIL, "webmail", {"https://webmail.example.ma": self.at("mail")}, client_id="mail",
                               client_secret=_hash("mail")),
            "mailprogram": registered(MAIL, "mailprogram", {}),
            "dovecot": registered(MAIL, "dovecot", {}, client_secret=_hash("dovecot")),
            "mellon": self._mellon({}),
            "library": {name: value for name, value in self._mellon({"/mellon/": "/library/mellon/"}).items()
                        if name != "slo_soap"},  # only the browser can tell it
            "shibboleth": self._saml(self.at("shibboleth"), "/shibboleth", *SHIBBOLETH)
            | {"slo_soap": self.at("shibboleth", "/Shibboleth.sso/SLO/SOAP")},
            "pysaml2": self._saml(self.at("pysaml2"), "/metadata", "/acs", "/slo")
            | {"slo_binding": "post", "our_entity": "nord"},
            **{name: self._saml(self.at(name), "/metadata", "/acs", "/slo") for name in ("node_saml", "ruby_saml")},
            "toolkit": self._saml(self.at("toolkit"), "/metadata", "/acs", "/slo"),
        }  # fmt: skip

    def _mellon(self, places: dict[str, str]) -> dict:
        here = {"https://retraite.example.ma": self.at("apache_saml"), **places}
        return registered(APACHE, "retraite", here, certificate=self.keys.certificate)

    def _saml(self, origin: str, metadata: str, acs: str, slo: str) -> dict:
        return {
            "protocol": "saml", "entity_id": f"{origin}{metadata}", "acs": [f"{origin}{acs}"], "slo": f"{origin}{slo}",
            "certificate": self.keys.certificate, "signed_requests": True, "attributes": ["email", "name", "school"],
        }  # fmt: skip


def lay_out() -> Layout:
    return Layout({name: free_port() for name in NAMES}, pair())


def _oidc(name: str, redirect: str, **values) -> dict:
    usual = {"protocol": "oidc", "client_id": name, "client_secret": _hash(name), "redirect_uris": [redirect]}
    return {**usual, **values}


def _hash(name: str) -> str:
    return hashed_secret(SECRETS[name])


def _table(slug: str, values: dict) -> str:
    """JSON's texts, numbers, booleans and lists of texts read the same in TOML."""
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return "\n".join([f"[sites.{slug}]", f'name = {{ en = "{slug}" }}', *lines, ""])
