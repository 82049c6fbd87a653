"""What sites ask of the account, many at once on one server. As a program it prints JSON, as bench.load does.

    python -m bench.tokens KIND PORT --seconds S --callers N --server PID [--peer FILE]

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
"""

import argparse
import base64
import contextlib
import gc
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from bench import load, machine, report
from bench.client import Answer, Browser
from bench.load import Found
from bench.peer import place as peer_place
from bench.peer.place import NAME, NotThere, Peer
from bench.place import Place, Program, Standing

SECRET = "a-secret-of-the-measurements-0123456789-abcdefgh"
CALLBACK = "https://{slug}.example.test/callback"
CALLERS = 16


def sites_file(folder: Path) -> Path:
    """The registry of the measured sites: two that people enter, and one that acts for itself."""
    secret = f"sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}"
    tables = []
    for slug, algorithm in (("bench_es256", "ES256"), ("bench_rs256", "RS256"), ("bench_machine", "ES256")):
        for_itself = slug == "bench_machine"
        entered = f'redirect_uris = ["{CALLBACK.format(slug=slug)}"]'
        tables.append(f"""[sites.{slug}]
protocol = "oidc"
name = {{ en = "{slug}" }}
client_id = "{slug}"
client_secret = "{secret}"
algorithm = "{algorithm}"
scopes = ["openid", "profile", "email", "school", "offline_access"]
{"service = true" if for_itself else entered}
introspects = {str(for_itself).lower()}
""")
    path = folder / "sites.toml"
    path.write_text("\n".join(tables))
    return path


# One caller's steps -------------------------------------------------------------------------------------------------


class Caller:
    """A site's server on one warm connection, and the browser of a person who is signed in."""

    def __init__(self, browser: Browser, index: int, slug: str):
        self.browser, self.index, self.slug = browser, index, slug
        self.headers = _basic(slug, SECRET)
        said = json.loads(browser.get("/.well-known/openid-configuration").body)
        self.paths = {k: urlsplit(v).path for k, v in said.items() if k.endswith(("_endpoint", "_uri"))}
        self.access = self.refresh = ""
        self.wanted = {"redirect_uri": CALLBACK.format(slug=slug), "scope": "openid profile email offline_access"}

    def sign_in(self) -> None:
        load.enter_first(self.browser, self.index)

    def take_tokens(self) -> None:
        """A person's tokens; the browser then has no cookies any more: from here on it is a site's server."""
        site = Caller(self.browser, self.index, "bench_es256") if self.slug == "bench_machine" else self
        site.sign_in()
        if site.round() is None:
            raise SystemExit("a signed-in person could not enter the site")
        self.access, self.refresh, self.browser.jar = site.access, site.refresh, {}

    def call(self, endpoint: str, **fields: str) -> Answer:
        return self.browser.call(self.paths[endpoint], fields, self.headers)

    def redeem(self, code: str, verifier: str) -> Answer:
        """At the token endpoint."""
        back = {"grant_type": "authorization_code", "redirect_uri": self.wanted["redirect_uri"]}
        return self.call("token_endpoint", code=code, code_verifier=verifier, **back)

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
        back = self.redeem(found["code"][0], verifier)
        return front.seconds + back.seconds if self.kept(back) else None

    def kept(self, answer: Answer) -> bool:
        said = json.loads(answer.body) if answer.status == 200 else {}
        self.access, self.refresh = said.get("access_token", ""), said.get("refresh_token", "")
        return bool(self.access and said.get("id_token", "").count(".") == 2 and self.refresh)

    def turn(self) -> float | None:
        answer = self.call("token_endpoint", grant_type="refresh_token", refresh_token=self.refresh)
        return answer.seconds if self.kept(answer) else None

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
        self.headers = _basic(slug, seeded["secret"])

    def sign_in(self) -> None:
        """The person has a session already: signing in is not what is measured."""
        self.browser.jar["sessionid"] = self.seeded["sessions"][self.index]

    def take_tokens(self) -> None:
        own, self.headers = self.headers, _basic("site", self.seeded["secret"])
        answer = self.redeem(self.seeded["codes"][self.index], self.seeded["verifier"])
        if not self.kept(answer):
            raise SystemExit(f"the peer gave no tokens: {answer.status} {answer.body[:300]!r}")
        self.headers = own


def _basic(client: str, secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{client}:{secret}'.encode()).decode()}"}


# Kind: name in the table, aim per CPU-second on PostgreSQL, our client, the peer's (it signs with RSA alone), what a
# caller needs before, what is measured.
KINDS: dict[str, tuple[str, int, str, str, str, Callable[[Caller], float | None]]] = {
    "client_credentials": ("client credentials", 2000, "bench_machine", "machine", "", Caller.own),
    "own_slow_hash": ("client credentials, secret hashed as by default", 0, "", "machine_as_it_comes", "", Caller.own),
    "refresh_es256": ("refresh, ES256", 1000, "bench_es256", "", "take_tokens", Caller.turn),
    "refresh_rs256": ("refresh, RS256", 0, "bench_rs256", "site", "take_tokens", Caller.turn),
    "userinfo": ("userinfo", 2500, "bench_es256", "site", "take_tokens", Caller.about),
    "introspection": ("introspection", 2500, "bench_machine", "machine", "take_tokens", Caller.introspect),
    "jwks": ("key set", 0, "bench_es256", "site", "", Caller.keys),
    "round_es256": ("whole round, ES256", 250, "bench_es256", "", "sign_in", Caller.round),
    "round_rs256": ("whole round, RS256", 0, "bench_rs256", "site", "sign_in", Caller.round),
}


def measured(kind: str, port: int, seconds: float, callers: int, server: int, peer: dict[str, Any] | None) -> Found:
    """As Crowd.run, and `cpu`: the server's CPU-seconds from the moment everybody is ready."""
    ready_at: list[float] = []
    known: dict[int, Caller] = {}
    _, _, ours, theirs, before, step = KINDS[kind]

    def ready(browser: Browser, index: int) -> None:
        caller = PeerCaller(browser, index, theirs, peer) if peer else Caller(browser, index, ours)
        known[id(browser)] = caller
        if before:
            getattr(caller, before)()
        if len(known) == callers:
            ready_at.append(machine.cpu_seconds(server))

    found = load.Crowd(port, 0, callers).run(callers, seconds, ready, lambda browser, _: step(known[id(browser)]))
    return {**found, "cpu": machine.cpu_seconds(server) - ready_at[0]}


# The tables ---------------------------------------------------------------------------------------------------------


def tables(standings: list[Standing], rounds: int, seconds: float, say: Callable[[str], None]) -> str:
    """PostgreSQL stands first, where it is."""
    runs: dict[tuple[str, str], list[Found]] = {}
    bounds: dict[str, list[dict[str, float]]] = {one.name: [] for one, _ in standings}

    def call(one: Place, server: Program, kind: str, peer: Peer | None = None) -> None:
        """Many callers in a process of their own. CPU is counted over the run, preparations left out."""
        words = ["-m", "bench.tokens", kind, str(server.port), "--seconds", str(seconds), "--callers", str(CALLERS)]
        words += ["--peer", str(peer.for_callers(CALLERS))] if peer else []
        result: Found = json.loads(one.run(*words, "--server", str(server.pid)))
        if result["bad"] or not result["times"]:
            raise SystemExit(f"{kind} on {one.name}: {result['bad']} answers were not as they should be")
        runs.setdefault((kind, NAME if peer else one.name), []).append(result)

    with _peer(standings[0][0], CALLERS * len(KINDS) * rounds, say) as (peer, note):
        for number in range(rounds):
            for one, server in standings:
                say(f"round {number + 1} of {rounds}: what sites ask, on {one.name}")
                with machine.on_core(machine.SERVER_CORE):
                    bounds[one.name].append(json.loads(one.run("-m", "bench.bounds", "tokens", str(seconds / 5))))
                for kind, (_, _, ours, theirs, _, _) in KINDS.items():
                    if ours:
                        call(one, server, kind)
                    if peer and theirs and one is standings[0][0]:
                        call(one, peer.server, kind, peer)
    return "\n".join(
        [_bound_table(bounds), _own_table([one.name for one, _ in standings], runs), _peer_table(runs, note)]
    )


@contextlib.contextmanager
def _peer(first: Place, codes: int, say: Callable[[str], None]) -> Iterator[tuple[Peer | None, str]]:
    """The peer on the same PostgreSQL, and the sentences below its table: of it, or why there is none."""
    with contextlib.ExitStack() as stack:
        try:
            if first.name != "PostgreSQL":
                raise NotThere(f"{NAME} is measured on PostgreSQL alone, which is not here.")
            say(f"{NAME}: an environment of its own")
            peer = stack.enter_context(peer_place.opened(first.folder, first.database, codes, CALLERS))
        except NotThere as why:
            say(str(why))
            yield None, str(why)
            return
        yield (
            peer,
            (
                f"{NAME} {peer.version} in the same minutes, on the same Granian, PostgreSQL and core, with the same "
                "callers; tokens stored hashed, reuse of a refresh token ends its family, client secrets hashed by "
                "one SHA-256. The second line is what it does when nothing is said about that hash (Django's PBKDF2). "
                "Ours, times: the product's figure per CPU-second on PostgreSQL divided by this one. Its round: "
                "/o/authorize/ of a person with a session, consent left out (skip_authorization), scope openid, PKCE, "
                "then /o/token/."
            ),
        )


def _bound_table(bounds: dict[str, list[dict[str, float]]]) -> str:
    every = [b for runs in bounds.values() for b in runs]
    rows = [
        [f"signature {name}", report.per_second(median(b[key] for b in every)), "per CPU-second, one thread"]
        for name, key in (("ES256 (P-256)", "es256"), ("RS256 (2048 bits)", "rs256"))
    ]
    rows += [
        [f"{what}, {name}", report.per_second(median(b[key] for b in runs)), "per second"]
        for what, key in (("bare look-up of a token", "read"), ("bare insert of a grant and its token", "write"))
        for name, runs in bounds.items()
    ]
    return report.table(
        "The bound: signatures and statements alone", ["", "rate", ""], rows,
        f"Statements over {CALLERS} connections on PostgreSQL and one on SQLite; each insert is a commit of its own, "
        "which waits for the disk on PostgreSQL.",
    )  # fmt: skip


def _own_table(names: list[str], runs: dict[tuple[str, str], list[Found]]) -> str:
    rows = [
        [f"{title}, {name}", *report.rates(runs[kind, name]), str(aim) if aim else ""]
        for kind, (title, aim, *_) in KINDS.items()
        for name in names
        if (kind, name) in runs
    ]
    return report.table(
        "What sites ask, one server process on one core", ["", *report.RATES, "aim"], rows,
        f"{CALLERS} callers at once, client secrets in the Basic header. The round: /authorize of a signed-in person "
        "with PKCE, then /token with a refresh token. The aims are per CPU-second and those of PostgreSQL.",
    )  # fmt: skip


def _peer_table(runs: dict[tuple[str, str], list[Found]], note: str) -> str:
    rows = []
    for kind, (title, *_) in KINDS.items():
        if theirs := runs.get((kind, NAME)):
            ours = runs.get((kind, "PostgreSQL")) or runs["client_credentials", "PostgreSQL"]
            rows.append([title, *report.rates(theirs), f"{report.per_cpu(ours) / report.per_cpu(theirs):.1f}"])
    return report.table(f"The same at {NAME}, PostgreSQL", ["", *report.RATES, "ours, times"], rows, note)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.tokens")
    parser.add_argument("kind", choices=KINDS)
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
