"""A site on a real socket that speaks SAML with python3-saml (OneLogin's toolkit for Python), strict in everything.

/login[?again] to the account   /acs the answer   / who is there, as JSON   /logout   /slo single logout
"""

import contextlib
import json
import secrets
from collections.abc import Iterator
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from lxml import etree
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants as saml
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser

from tests.servers.sites import Layout
from tests.sso.saml_site import strict_settings
from tests.support.serving import serving

NAME = "toolkit"
COOKIE = f"{NAME}-session"


class _Handler(BaseHTTPRequestHandler):
    """`server` has settings and sessions by cookie: ids of requests (`asked`, `leaving`) and who is there (`visit`)."""

    def do_GET(self):
        self.answer({})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(dict(parse_qsl(body)))

    def answer(self, form: dict[str, str]) -> None:
        parts = urlsplit(self.path)
        asked = {
            "https": "off", "http_host": self.headers["Host"], "script_name": parts.path,
            "get_data": dict(parse_qsl(parts.query)), "post_data": form, "query_string": parts.query,
        }  # fmt: skip
        client = OneLogin_Saml2_Auth(asked, self.server.settings)
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        name = cookies[COOKIE].value if COOKIE in cookies else secrets.token_urlsafe()
        session = self.server.sessions.setdefault(name, {})
        step = {"/login": self.login, "/acs": self.acs, "/logout": self.logout, "/slo": self.slo, "/": self.home}
        status, words = step[parts.path](client, session)
        self.send_response(status)
        self.send_header("Set-Cookie", f"{COOKIE}={name}; Path=/; HttpOnly")
        self.send_header("Location" if status == 303 else "X-Status", words if status == 303 else str(status))
        self.end_headers()
        self.wfile.write(b"" if status == 303 else words.encode())

    def home(self, _client, session) -> tuple[int, str]:
        return 200, json.dumps(session.get("visit"))

    def login(self, client, session) -> tuple[int, str]:
        address = client.login(return_to="", force_authn=urlsplit(self.path).query == "again")
        session["asked"] = client.get_last_request_id()
        return 303, address

    def acs(self, client, session) -> tuple[int, str]:
        client.process_response(request_id=session.pop("asked", "nothing"))
        if client.get_errors() or not client.is_authenticated():
            return 400, str(client.get_last_error_reason())
        statement = etree.fromstring(client.get_last_response_xml()).find(f".//{{{saml.NS_SAML}}}AuthnStatement")
        session["visit"] = {
            "attributes": client.get_attributes(), "name_id": client.get_nameid(),
            "format": client.get_nameid_format(), "index": client.get_session_index(),
            "proved": statement.get("AuthnInstant"),
        }  # fmt: skip
        return 303, "/"

    def logout(self, client, session) -> tuple[int, str]:
        visit = session["visit"]
        address = client.logout(
            return_to="", name_id=visit["name_id"], session_index=visit["index"], name_id_format=visit["format"]
        )
        session["leaving"] = client.get_last_request_id()
        return 303, address

    def slo(self, client, session) -> tuple[int, str]:
        onwards = client.process_slo(
            request_id=session.pop("leaving", "nothing"), delete_session_cb=lambda: session.pop("visit", None)
        )
        if client.get_errors():
            return 400, f"{client.get_errors()}: {client.get_last_error_reason()}"
        return 303, onwards if onwards and "SAMLResponse=" in onwards else "/"

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def running_toolkit(layout: Layout, account: str) -> Iterator[str]:
    """The site's address while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", layout.port(NAME)), _Handler)
    theirs = OneLogin_Saml2_IdPMetadataParser.parse_remote(f"{account}/saml/metadata", timeout=10)
    entity, acs, slo = (layout.at(NAME, path) for path in ("/metadata", "/acs", "/slo"))
    server.settings, server.sessions = strict_settings(theirs, layout.keys, entity=entity, acs=acs, slo=slo), {}
    with serving(server):
        yield layout.at(NAME)
