"""Django's test client, in front of the product's own WSGI callable instead of Django's handler alone.

What servers ask goes by the short way of `interfaces/base/direct.py` in the product; so it does in every test.
"""

import io

from django.core.signals import setting_changed
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test.client import ClientHandler, conditional_content_removal

from massar.domain.credentials import api as credentials
from massar.interfaces.base import rsgi, rush
from massar.interfaces.base.direct import Direct
from massar.interfaces.base.request import Request


class _Direct(Direct):
    def release(self) -> None:
        """The connection stays: the test's transaction is open on it (Django's client does the same)."""


class Wire(ClientHandler):
    """A test client's handler. All share one chain of middleware, as the browsers of one server do."""

    loaded: ClientHandler | None = None

    def load_middleware(self, is_async: bool = False) -> None:
        if Wire.loaded is None:
            super().load_middleware(is_async)
            Wire.loaded = self
        self._middleware_chain = Wire.loaded._middleware_chain

    @staticmethod
    def forget(**_: object) -> None:
        """Middleware may have read the setting that changed."""
        Wire.loaded = None

    def __call__(self, environ: dict) -> HttpResponseBase:
        environ[rsgi.HAS_TURN] = rush.here.by_turns(environ)  # who hashes elsewhere is refused here as in the product
        said: list = []
        by_django = super().__call__
        try:
            answer = _Direct(lambda environ, _: by_django(environ))(environ, lambda *head: said.extend(head))
        finally:
            credentials.passwords.has_turn.set(True)  # of the test itself, which is this thread too
        return answer if isinstance(answer, HttpResponseBase) else _response(environ, *said, b"".join(answer))


def _response(environ: dict, status: str, headers: list[tuple[str, str]], body: bytes) -> HttpResponse:
    code, _, reason = status.partition(" ")
    plain = {name: value for name, value in headers if name != "Set-Cookie"}
    response = HttpResponse(body, status=int(code), reason=reason, headers=plain)
    for value in (value for name, value in headers if name == "Set-Cookie"):
        response.cookies.load(value)
    response.wsgi_request = Request({**environ, "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"})
    return conditional_content_removal(response.wsgi_request, response)


setting_changed.connect(Wire.forget)
