"""`env:NAME` and `file:PATH` lead to a secret in every table of a provider; a mistake is one sentence everywhere."""

import pytest

from massar.domain.delivery.provider import Provider, ProviderSettingError
from massar.providers.registry import provider_from_table
from tests.support.steps import production

TABLES = {
    "smtp": {"host": "mail.example.ma", "sender": "no-reply@example.ma", "user": "massar", "password": ""},
    "smpp": {"host": "smsc.example.ma", "system_id": "massar", "password": ""},
    "http": {"url": "https://sms.example.ma/", "form": {"to": "{to}", "text": "{text}", "key": ""}},
}
MISTAKES = [
    ("env:NO_SUCH", "reads the variable 'NO_SUCH', which is not set"),
    ("env:EMPTY", "reads the variable 'EMPTY', which is not set or empty"),
    ("env:BLANK", "reads the variable 'BLANK', which is not set or empty"),
    ("env:", "reads the variable '', which is not set"), ("file:{}/empty", "/empty', which is empty"),
    ("file:{}/blank", "/blank', which is empty"), ("file:{}/none", "/none', which can't be read"),
    ("file:{}", "', which can't be read"), ("file:", "reads the file '', which can't be read"),
    ("file:\0", "which can't be read"), ("file:{}/binary", "/binary', which can't be read"),
    ("file:{}/large", "/large', which is larger than 64 KiB"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name, data in (
        ("good", b"fr{o}m a file\r\n"), ("bom", b"\xef\xbb\xbffr{o}m a file"), ("empty", b""), ("blank", b" \n\n"),
        ("binary", b"s3cret\xff"), ("large", b"s3cret" * 20_000),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
    return tmp_path


def made(kind: str, secret: str, environ: dict[str, str]) -> Provider:
    form = {"form": TABLES["http"].get("form", {}) | {"key": secret}} if kind == "http" else {"password": secret}
    return provider_from_table({"kind": kind, **TABLES[kind], **form}, name="p", environ=environ)


def secret_of(provider: Provider) -> str:
    """What the other side would be shown."""
    settings = provider.settings
    return settings.form["key"].fixed if settings.kind == "http" else settings.password


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(("secret", "value"), [
    ("env:KEY", "fr{o}m .env"), ("file:{}/good", "fr{o}m a file"), ("file:{}/bom", "fr{o}m a file"),
])  # fmt: skip
def test_it_is_taken_as_it_is(folder, kind, secret, value):
    assert secret_of(made(kind, secret.replace("{}", str(folder)), {"KEY": "fr{o}m .env"})) == value


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize(("secret", "told"), MISTAKES)
def test_a_mistake_is_one_sentence(folder, kind, secret, told):
    with pytest.raises(ProviderSettingError) as refused:
        made(kind, secret.replace("{}", str(folder)), {"EMPTY": "", "BLANK": " "})
    (sentence,) = refused.value.mistakes
    assert told in sentence and sentence.startswith("[providers.p] ") and sentence.endswith(".")
    assert "s3cret" not in sentence and "\n" not in sentence


def test_the_file_of_settings_counts_as_the_environment(tmp_path):
    """The settings hand on where they were read from themselves."""
    (tmp_path / "massar.toml").write_text(
        '[providers.p]\nkind = "smpp"\nhost = "h"\nsystem_id = "m"\npassword = "env:KEY"\n'
    )
    massar = production(MASSAR_CONFIG=str(tmp_path / "massar.toml"), KEY="from .env")
    assert secret_of(provider_from_table(massar.providers["p"], name="p", environ=massar.environ)) == "from .env"


def test_all_mistakes_of_a_table_are_told():
    table = {"kind": "smpp", "host": "h", "window": 0, "colour": "red", "receipt_id": "hex", "price": -1}
    with pytest.raises(ProviderSettingError) as refused:
        provider_from_table(table, name="p")
    assert len(refused.value.mistakes) == 5, refused.value.mistakes
