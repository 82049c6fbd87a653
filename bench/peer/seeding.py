"""Tables, clients, and a person with COUNT codes to be exchanged. Prints what the callers need as JSON.

    python -m bench.peer.seeding COUNT CALLERS

CALLERS: how many browsers need a session of the person.
"""

import json
import secrets
import sys
from datetime import timedelta

import django

django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.auth.hashers import make_password  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402
from oauth2_provider.models import Application, Grant  # noqa: E402

CALLBACK = "https://peer.example.test/callback"


def enter(count: int, callers: int) -> dict[str, object]:
    """One client for people, one that acts for itself, and the same with the hash that nobody chose."""
    call_command("migrate", verbosity=0)
    secret = secrets.token_urlsafe(32)
    person = User.objects.create_user("bench")
    site = _client("site", make_password(secret), Application.GRANT_AUTHORIZATION_CODE)
    _client("machine", make_password(secret), Application.GRANT_CLIENT_CREDENTIALS)
    _client("machine_as_it_comes", make_password(secret, hasher="pbkdf2_sha256"), Application.GRANT_CLIENT_CREDENTIALS)
    verifier = secrets.token_urlsafe(48)
    codes = [_code(site, person, verifier) for _ in range(count)]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    sessions = [_session(person) for _ in range(callers)]
    return {"secret": secret, "codes": codes, "sessions": sessions, "verifier": verifier, "redirect_uri": CALLBACK}


def _session(person: User) -> str:
    """The cookie of somebody who is signed in."""
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(person.pk), person.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session.save()
    return str(session.session_key)


def _client(name: str, hashed: str, grant: str) -> Application:
    return Application.objects.create(
        name=name,
        client_id=name,
        client_secret=hashed,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=grant,
        redirect_uris=CALLBACK,
        skip_authorization=True,
        algorithm=Application.RS256_ALGORITHM,
    )


def _code(site: Application, person: User, verifier: str) -> str:
    code = secrets.token_urlsafe(24)
    Grant.objects.create(
        user=person,
        application=site,
        code=code,
        expires=timezone.now() + timedelta(hours=1),
        redirect_uri=CALLBACK,
        scope="openid",
        code_challenge=verifier,
        code_challenge_method="plain",
    )
    return code


if __name__ == "__main__":
    print(json.dumps(enter(*map(int, sys.argv[1:]))))
