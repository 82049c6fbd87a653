"""A URL makes the right provider, or one clear sentence without the password."""

import pytest

from massar.domain.delivery.provider import ProviderSettingError
from massar.providers.registry import provider_from_url
from massar.providers.smpp.provider import SmppProvider
from massar.providers.sms_http.provider import HttpProvider
from massar.providers.smtp.provider import SmtpProvider


@pytest.mark.parametrize(("url", "kind", "name"), [
    ("smtp://mail.example.ma", SmtpProvider, "smtp-mail.example.ma"),
    ("smtp+starttls://a:b@mail.example.ma:2587", SmtpProvider, "smtp-mail.example.ma"),
    (
        "smtps://a%40b:c%2Fd@mail.example.ma/?connect_timeout=2.5&hello=web1.example.ma",
        SmtpProvider,
        "smtp-mail.example.ma",
    ),
    ("smtp://a:b@[::1]:2525", SmtpProvider, "smtp-::1"),
    ("https://gateway.example.ma/v1?x=y", HttpProvider, "sms-gateway.example.ma"),
    ("http://127.0.0.1:8025/sms", HttpProvider, "sms-127.0.0.1"),
    ("http://localhost/sms", HttpProvider, "sms-localhost"),
    ("smpps://massar:s%40cret@smsc.example.ma", SmppProvider, "smpp-smsc.example.ma"),
    ("smpp://massar:x@127.0.0.1:2776?source=3737&rate=27&binds=2", SmppProvider, "smpp-127.0.0.1"),
    ("smpp://massar:x@10.0.0.1?tls=off&validity=absolute", SmppProvider, "smpp-10.0.0.1"),
])  # fmt: skip
def test_a_url_makes_its_provider(options, url, kind, name):
    provider = provider_from_url(url, options())
    assert isinstance(provider, kind) and provider.name == name
    assert provider.channel == ("email" if kind is SmtpProvider else "sms")
    assert provider.longest.total_seconds() >= 3


@pytest.mark.parametrize("url", [
    "", "mail.example.ma", "ftp://u:s3cret@mail.example.ma", "smtp://", "smtp://u:s3cret@mail.example.ma:99999",
    "smtps://u:s3cret@mail.example.ma/path", "smtps://u@mail.example.ma", "smtps://u:s3cret@mail.example.ma?color=red",
    "smtps://u:s3cret@mail.example.ma?connect_timeout=soon", "smtps://u:s3cret@mail.example.ma?connect_timeout=-1",
    "smtps://u:s3cret@mail.example.ma?ca_file=nowhere.pem", "http://gateway.example.ma/send",
    "https://u:s3cret@gateway.example.ma/send", "https://gateway.example.ma/a b", "https://gateway.example.ma/\r\nX: y",
    "smtp://u:s3cret@10.0.0.1", "http://127.0.0.1.example.ma/", "smpp://u:s3cret@10.0.0.1",
    "smpp://u:s3cret@smsc.example.ma?rate=27", "smpp://u:s3cret@127.0.0.1?tls=on",
    "smpps://u:s3cret@smsc.example.ma?tls=off", "smpps://:s3cret@smsc.example.ma",
    "smpps://u:s3cret@smsc.example.ma/path", "smpps://u:s3cret@smsc.example.ma?color=red",
    "smpps://u:s3cret@smsc.example.ma?rate=fast", "smpps://u:s3cret@smsc.example.ma?window=0",
    "smpps://u:s3cret@smsc.example.ma?port=1", "smpps://u:s3cret@smsc.example.ma?ca_file=nowhere.pem",
])  # fmt: skip
def test_a_url_that_can_not_work_gets_one_sentence(options, url):
    with pytest.raises(ProviderSettingError) as refusal:
        provider_from_url(url, options())
    sentence = str(refusal.value)
    assert sentence.endswith(".") and "\n" not in sentence and "s3cret" not in sentence


def test_a_ca_file_or_a_sender_that_is_none_is_named(options, tmp_path):
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(ProviderSettingError, match="ca.pem"):
        provider_from_url("smtps://mail.example.ma", options(ca_file=tmp_path / "ca.pem"))
    for sender in ("Massar <a@b.ma>", "nobody", "a@b\r\n.ma"):
        with pytest.raises(ProviderSettingError, match="sender"):
            provider_from_url("smtps://mail.example.ma", options(sender=sender))
