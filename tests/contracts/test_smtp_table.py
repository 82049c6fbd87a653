"""A table of the operator's file makes a mail provider, or one clear sentence without the secret."""

from datetime import timedelta

import pytest

from massar.domain.delivery.provider import Accepted, ProviderSettingError
from massar.providers.registry import provider_from_table

from .conftest import send
from .smtp_rig import PASSWORD, USER

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
GOOD = {"kind": "smtp", "host": "mail.example.ma", "sender": "no-reply@example.ma"}


@pytest.fixture
def secret(monkeypatch, tmp_path):
    """Where the password stands: in a variable, in a file with a line end."""
    monkeypatch.setenv("RELAY_PASSWORD", PASSWORD)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return {"env": "env:RELAY_PASSWORD", "file": f"file:{tmp_path}/password"}


@pytest.mark.parametrize("where", ["env", "file"])
def test_a_whole_table_sends(mail_server, server_tls, ca_file, secret, where):
    server = mail_server(starttls=server_tls, auth=True)
    provider = provider_from_table(
        {
            "kind": "smtp", "host": "localhost", "port": server.port, "security": "starttls", "user": USER,
            "password": secret[where], "sender": "massar@example.ma", "sender_name": "Massar",
            "hello": "web1.example.ma", "connections": 2, "bounces": "bounce.example.ma", "receipts": True,
            "ca_file": str(ca_file), "connect_timeout": 2, "answer_timeout": 4.5, "total_timeout": 9,
        },
        name="relay",
    )  # fmt: skip
    assert (provider.name, provider.channel, provider.longest) == ("relay", "email", timedelta(seconds=13))
    assert isinstance(send(provider), Accepted)
    assert server.letters[0]["From"].addresses[0].addr_spec == "massar@example.ma"
    assert server.envelopes[0][0].startswith("b+first-") and server.envelopes[0][0].endswith("@bounce.example.ma")
    provider.close()
    assert provider_from_table(GOOD, name="relay").name == "relay", "little is enough"


@pytest.mark.parametrize(("changed", "told"), [
    ({"hots": "x"}, "has no setting 'hots'"), ({"host": None}, "host must be a text"),
    ({"host": ""}, "host is missing"), ({"host": "mail\r\n.example.ma"}, "on one line"),
    ({"sender": ""}, "sender is missing"), ({"sender": "Massar <a@b.ma>"}, "bare address"),
    ({"port": "25"}, "port must be a whole number"), ({"port": True}, "port must be a whole number"),
    ({"port": 0}, "from 1 to 65535"), ({"security": "ssl"}, "choose plain, starttls or tls"),
    ({"connections": 0}, "from 1 to 50"), ({"connections": 2.5}, "connections must be a whole number"),
    ({"bounces": "b@bounce.example.ma"}, "bare domain"), ({"receipts": "yes"}, "receipts must be true or false"),
    ({"receipts": True}, "need a domain for bounces"), ({"total_timeout": "soon"}, "total_timeout must be a number"),
    ({"total_timeout": 0}, "more than 0"), ({"ca_file": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
    ({"user": "massar"}, "user needs a password"), ({"user": "massar", "password": "s3cret"}, "env:NAME or file:PATH"),
    ({"user": "massar", "password": "env:NOT_SET_ANYWHERE"}, "'NOT_SET_ANYWHERE', which is not set"),
    ({"user": "massar", "password": "file:/nowhere/password"}, "can't be read"),
    ({"user": "massar", "password": "env:RELAY_PASSWORD", "security": "plain"}, "only be sent over TLS"),
])  # fmt: skip
def test_each_mistake_gets_one_sentence(secret, changed, told):
    with pytest.raises(ProviderSettingError) as refused:
        provider_from_table({**GOOD, **changed}, name="relay")
    sentence = str(refused.value)
    assert told in sentence and sentence.startswith("[providers.relay] ") and sentence.endswith(".")
    assert "\n" not in sentence and "s3cret" not in sentence and PASSWORD not in sentence
