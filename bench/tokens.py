"""What sites ask of the account, many at once on one server. Prints one JSON object, as bench.load does.

    python -m bench.tokens KIND PORT --seconds S --callers N --server PID [--peer FILE]
    python -m bench.tokens bound SECONDS          (with MASSAR_DATABASE_URL in the environment)

KIND  client_credentials   a site's own token (one insert of a grant, one of a token)
      refresh_es256        a refresh token turned: old one spent, access, refresh and ID token new
      refresh_rs256        the same for a site that wants RSA
      userinfo             claims of a person by a live access token
      introspection        the same for a resource server, with its own authentication
      jwks                 the published keys
      round_es256          the whole round of a signed-in person: /authorize, then /token
      round_rs256          the same for a site that wants RSA
       own_slow_hash        peer only: a site's own token, the client secret hashed as the peer does by itself
FILE   what bench.peer.seeding has printed; then the server is the peer, which has its own addresses and clients.
bound  signatures and bare statements alone: what none of these can pass.
"""

from __future__ import annotations

import argparse
import base64
import gc
import hashlib
import json
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import psycopg
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from bench import load, machine
from bench.client import Answer, Browser

Ask = Callable[..., Any]  # a connection's `execute`

SECRET = "a-secret-of-the-measurements-0123456789-abcdefgh"
CALLBACK = "https://{slug}.example.test/callback"
READERS = 16


def sites_file(folder: Path) -> Path:
    """The registry of the measured sites: two that people enter, and one that acts for itself."""
    secret = f"sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}"
    tables = []
    for slug, algorithm in (("bench_es256", "ES256"), ("bench_rs256", "RS256"), ("bench_machine", "ES256")):
        machine = slug == "bench_machine"
        lines = [
            f"[sites.{slug}]",
            'protocol = "oidc"',
            f'name = {{ en = "{slug}" }}',
            f'client_id = "{slug}"',
            f'client_secret = "{secret}"',
            f'algorithm = "{algorithm}"',
            'scopes = ["openid", "profile", "email", "school", "offline_access"]',
            "service = true\nintrospects = true" if machine else f'redirect_uris = ["{CALLBACK.format(slug=slug)}"]',
        ]
        tables.append("\n".join(lines))
    path = folder / "sites.toml"
    path.write_text("\n\n".join(tables) + "\n")
    return path


# One caller's steps -------------------------------------------------------------------------------------------------


class Caller:
    """A site's server on one warm connection, and the browser of a person who is signed in."""

    def __init__(self, browser: Browser, index: int, slug: str):
        self.browser, self.index, self.slug = browser, index, slug
        pair = base64.b64encode(f"{slug}:{SECRET}".encode()).decode()
        self.headers = {"Authorization": f"Basic {pair}"}
        said = json.loads(browser.get("/.well-known/openid-configuration").body)
        self.paths = {k: urlsplit(v).path for k, v in said.items() if k.endswith(("_endpoint", "_uri"))}
        self.access = self.refresh = ""
        self.wanted = {"redirect_uri": CALLBACK.format(slug=slug), "scope": "openid profile email offline_access"}

    def sign_in(self) -> None:
        load.enter_first(self.browser, self.index)

    def call(self, endpoint: str, **fields: str) -> Answer:
        return self.browser.call(self.paths[endpoint], fields, self.headers)

    def round(self) -> float | None:
        """A signed-in person's whole way into a site; the seconds of both requests."""
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.slug,
            **self.wanted,
            "state": secrets.token_urlsafe(16),
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        front = self.browser.get(f"{self.paths['authorization_endpoint']}?{urlencode(asked)}")
        found = parse_qs(urlsplit(front.header("location")).query)
        if front.status not in (302, 303) or found.get("state") != [asked["state"]] or "code" not in found:
            return None
        back = self.call(
            "token_endpoint",
            grant_type="authorization_code",
            code=found["code"][0],
            redirect_uri=self.wanted["redirect_uri"],
            code_verifier=verifier,
        )
        return front.seconds + back.seconds if self._kept(back) else None

    def _kept(self, answer: Answer) -> bool:
        said = json.loads(answer.body) if answer.status == 200 else {}
        self.access = said.get("access_token", "")
        self.refresh = said.get("refresh_token", "")
        return bool(self.access and said.get("id_token", "").count(".") == 2 and self.refresh)

    def turn(self) -> float | None:
        answer = self.call("token_endpoint", grant_type="refresh_token", refresh_token=self.refresh)
        return answer.seconds if self._kept(answer) else None

    def own(self) -> float | None:
        answer = self.call("token_endpoint", grant_type="client_credentials")
        return answer.seconds if answer.status == 200 and b"access_token" in answer.body else None

    def about(self) -> float | None:
        answer = self.browser.get(self.paths["userinfo_endpoint"], Authorization=f"Bearer {self.access}")
        return answer.seconds if answer.status == 200 and b'"sub"' in answer.body else None

    def introspect(self) -> float | None:
        answer = self.call("introspection_endpoint", token=self.access)
        return answer.seconds if answer.status == 200 and json.loads(answer.body)["active"] else None

    def keys(self) -> float | None:
        answer = self.browser.get(self.paths["jwks_uri"])
        return answer.seconds if answer.status == 200 and b'"keys"' in answer.body else None


class PeerCaller(Caller):
    """The same at the peer. Its tokens come of a code that was seeded."""

    def __init__(self, browser: Browser, index: int, slug: str, seeded: dict[str, Any]):
        self.browser, self.index, self.slug, self.seeded = browser, index, slug, seeded
        ends = {"token": "token", "userinfo": "userinfo", "introspection": "introspect", "authorization": "authorize"}
        self.paths = {f"{name}_endpoint": f"/o/{path}/" for name, path in ends.items()}
        self.paths["jwks_uri"] = "/o/.well-known/jwks.json"
        self.wanted = {"redirect_uri": seeded["redirect_uri"], "scope": "openid"}
        self._as(slug)

    def sign_in(self) -> None:
        """The person has a session already: signing in is not what is measured."""
        self.browser.jar["sessionid"] = self.seeded["sessions"][self.index]

    def _as(self, client: str) -> None:
        pair = base64.b64encode(f"{client}:{self.seeded['secret']}".encode()).decode()
        self.headers = {"Authorization": f"Basic {pair}"}

    def take_tokens(self) -> None:
        self._as("site")
        answer = self.call(
            "token_endpoint",
            grant_type="authorization_code",
            code=self.seeded["codes"][self.index],
            redirect_uri=self.seeded["redirect_uri"],
            code_verifier=self.seeded["verifier"],
        )
        if not self._kept(answer):
            raise SystemExit(f"the peer gave no tokens: {answer.status} {answer.body[:300]!r}")
        self._as(self.slug)


def _nothing(caller: Caller) -> None:
    pass


def _with_token(caller: Caller) -> None:
    """A person's tokens; the browser then has no cookies any more: from here on it is a site's server."""
    caller.sign_in()
    if caller.round() is None:
        raise SystemExit("a signed-in person could not enter the site")
    caller.browser.jar = {}


def _introspecting(caller: Caller) -> None:
    person = Caller(caller.browser, caller.index, "bench_es256")
    _with_token(person)
    caller.access = person.access


KINDS: dict[str, tuple[str, Callable[[Caller], None], Callable[[Caller], float | None]]] = {
    "client_credentials": ("bench_machine", _nothing, Caller.own),
    "refresh_es256": ("bench_es256", _with_token, Caller.turn),
    "refresh_rs256": ("bench_rs256", _with_token, Caller.turn),
    "userinfo": ("bench_es256", _with_token, Caller.about),
    "introspection": ("bench_machine", _introspecting, Caller.introspect),
    "jwks": ("bench_es256", _nothing, Caller.keys),
    "round_es256": ("bench_es256", Caller.sign_in, Caller.round),
    "round_rs256": ("bench_rs256", Caller.sign_in, Caller.round),
}


# The peer signs with RSA alone.
PEER_KINDS: dict[str, tuple[str, Callable[[PeerCaller], None], Callable[[Caller], float | None]]] = {
    "client_credentials": ("machine", _nothing, Caller.own),
    "own_slow_hash": ("machine_as_it_comes", _nothing, Caller.own),
    "refresh_rs256": ("site", PeerCaller.take_tokens, Caller.turn),
    "userinfo": ("site", PeerCaller.take_tokens, Caller.about),
    "introspection": ("machine", PeerCaller.take_tokens, Caller.introspect),
    "jwks": ("site", _nothing, Caller.keys),
    "round_rs256": ("site", PeerCaller.sign_in, Caller.round),
}


def measured(
    kind: str, port: int, seconds: float, callers: int, server: int, peer: dict[str, Any] | None = None
) -> load.Found:
    """As Crowd.run, and `cpu`: the server's CPU-seconds from the moment everybody is ready."""
    ready_at: list[float] = []
    known: dict[int, Caller] = {}

    def ready(browser: Browser, index: int) -> None:
        if peer:
            slug, prepare_peer, _ = PEER_KINDS[kind]
            known[id(browser)] = caller = PeerCaller(browser, index, slug, peer)
            prepare_peer(caller)
        else:
            slug, prepare, _ = KINDS[kind]
            known[id(browser)] = Caller(browser, index, slug)
            prepare(known[id(browser)])
        if len(known) == callers:
            ready_at.append(machine.cpu_seconds(server))

    step = (PEER_KINDS if peer else KINDS)[kind][2]
    crowd = load.Crowd(port, 0, callers)
    found = crowd.run(callers, seconds, ready, lambda browser, _: step(known[id(browser)]))
    return {**found, "cpu": machine.cpu_seconds(server) - ready_at[0]}


# The bound ----------------------------------------------------------------------------------------------------------


def bound(seconds: float) -> dict[str, float]:
    """Signatures per CPU-second of one thread; statements per second, each in a commit of its own where it writes."""
    text = b"x" * 400
    elliptic = ec.generate_private_key(ec.SECP256R1())
    big = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "es256": _per_cpu_second(lambda: elliptic.sign(text, ec.ECDSA(hashes.SHA256())), seconds),
        "rs256": _per_cpu_second(lambda: big.sign(text, padding.PKCS1v15(), hashes.SHA256()), seconds),
        "read": _statements(os.environ["MASSAR_DATABASE_URL"], seconds, _read_once),
        "write": _statements(os.environ["MASSAR_DATABASE_URL"], seconds, _write_once),
    }


def _per_cpu_second(work: Callable[[], object], seconds: float) -> float:
    start, count = time.process_time(), 0
    while time.process_time() - start < seconds:
        work()
        count += 1
    return count / (time.process_time() - start)


READ = (
    "SELECT g.id, g.site, g.person_id, g.scope FROM sites_token t JOIN sites_grant g ON g.id = t.grant_id "
    "WHERE t.hash = {0} AND t.kind = 'access' AND t.expires_at > 0 AND t.used_at = 0 AND g.ended_at = 0"
)


GRANT = (
    "INSERT INTO sites_grant (site, person_id, session_id, subject, login, scope, auth_time, nonce, created_at, "
    "expires_at, sid, ended_at) VALUES ('bound', 0, 0, 'bound', '', 'profile email school', 0, '', 0, 1, '', 0) "
    "RETURNING id"
)
TOKEN = "INSERT INTO sites_token (hash, kind, grant_id, binding, expires_at, used_at) "


def _read_once(ask: Ask, mark: str) -> None:
    """What stands behind an access token."""
    ask(READ.format(mark), ("0" * 64,)).fetchone()


def _write_once(ask: Ask, mark: str) -> None:
    """A grant and its token, durably: one statement on PostgreSQL, a transaction on SQLite."""
    key = secrets.token_hex(32)
    if mark == "%s":
        ask(f"WITH g AS ({GRANT}) {TOKEN} SELECT %s, 'access', g.id, '', 1, 0 FROM g", (key,))
        return
    ask("BEGIN IMMEDIATE")
    grant = ask(GRANT).fetchone()[0]
    ask(f"{TOKEN} VALUES (?, 'access', ?, '', 1, 0)", (key, grant))
    ask("COMMIT")


def _statements(address: str, seconds: float, once: Callable[[Ask, str], None]) -> float:
    """Per second, and nothing else; as many connections as callers (SQLite: one, set as the product sets it)."""
    if address.startswith("sqlite:///"):
        connection = sqlite3.connect(address.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA synchronous=NORMAL")
        return _repeated(lambda: once(connection.execute, "?"), seconds) / seconds
    asks = [psycopg.connect(address, autocommit=True).execute for _ in range(READERS)]
    with ThreadPoolExecutor(READERS) as pool:
        return sum(pool.map(lambda ask: _repeated(lambda: once(ask, "%s"), seconds), asks)) / seconds


def _repeated(work: Callable[[], object], seconds: float) -> int:
    end, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        work()
        count += 1
    return count


def main() -> None:
    if sys.argv[1] == "bound":
        print(json.dumps(bound(float(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(prog="bench.tokens")
    parser.add_argument("kind", choices=[*KINDS, "own_slow_hash"])
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--server", type=int, required=True)
    parser.add_argument("--peer", type=Path)
    asked = parser.parse_args()
    peer = json.loads(asked.peer.read_text()) if asked.peer else None
    gc.freeze()
    print(json.dumps(measured(asked.kind, asked.port, asked.seconds, asked.callers, asked.server, peer)))


if __name__ == "__main__":
    main()
