"""A URL makes the right carrier, or one clear sentence without the password."""

from pathlib import Path

import pytest

from massar.providers.registry import CarrierSettingError, SmppCarrier, carrier_from_url
from massar.providers.sms_http.provider import HttpCarrier
from massar.providers.smtp.provider import SmtpCarrier


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("smtp://mail.example.ma", SmtpCarrier, "smtp-mail.example.ma"),
        ("smtp+starttls://a:b@mail.example.ma:2587", SmtpCarrier, "smtp-mail.example.ma"),
        (
            "smtps://a%40b:c%2Fd@mail.example.ma/?connect_timeout=2.5&hello=web1.example.ma",
            SmtpCarrier,
            "smtp-mail.example.ma",
        ),
        ("smtp://a:b@[::1]:2525", SmtpCarrier, "smtp-::1"),
        ("https://gateway.example.ma/v1?x=y", HttpCarrier, "sms-gateway.example.ma"),
        ("http://127.0.0.1:8025/sms", HttpCarrier, "sms-127.0.0.1"),
        ("http://localhost/sms", HttpCarrier, "sms-localhost"),
        ("smpps://massar:s%40cret@smsc.example.ma", SmppCarrier, "smpp-smsc.example.ma"),
        ("smpp://massar:x@127.0.0.1:2776?source=3737&rate=27&binds=2", SmppCarrier, "smpp-127.0.0.1"),
        ("smpp://massar:x@10.0.0.1?tls=off&validity=absolute", SmppCarrier, "smpp-10.0.0.1"),
    ],
)
def test_a_url_makes_its_carrier(options, url, kind, name):
    carrier = carrier_from_url(url, options())
    assert isinstance(carrier, kind) and carrier.name == name
    assert carrier.channel == ("email" if kind is SmtpCarrier else "sms")
    assert carrier.longest.total_seconds() >= 3


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.ma",
        "ftp://u:s3cret@mail.example.ma",
        "smtp://",
        "smtp://u:s3cret@mail.example.ma:99999",
        "smtps://u:s3cret@mail.example.ma/path",
        "smtps://u@mail.example.ma",
        "smtps://u:s3cret@mail.example.ma?color=red",
        "smtps://u:s3cret@mail.example.ma?connect_timeout=soon",
        "smtps://u:s3cret@mail.example.ma?connect_timeout=-1",
        "smtps://u:s3cret@mail.example.ma?ca_file=nowhere.pem",
        "http://gateway.example.ma/send",
        "https://u:s3cret@gateway.example.ma/send",
        "https://gateway.example.ma/a b",
        "https://gateway.example.ma/\r\nX: y",
        "smtp://u:s3cret@10.0.0.1",
        "http://127.0.0.1.example.ma/",
        "smpp://u:s3cret@10.0.0.1",
        "smpp://u:s3cret@smsc.example.ma?rate=27",
        "smpp://u:s3cret@127.0.0.1?tls=on",
        "smpps://u:s3cret@smsc.example.ma?tls=off",
        "smpps://:s3cret@smsc.example.ma",
        "smpps://u:s3cret@smsc.example.ma/path",
        "smpps://u:s3cret@smsc.example.ma?color=red",
        "smpps://u:s3cret@smsc.example.ma?rate=fast",
        "smpps://u:s3cret@smsc.example.ma?window=0",
        "smpps://u:s3cret@smsc.example.ma?port=1",
        "smpps://u:s3cret@smsc.example.ma?ca_file=nowhere.pem",
    ],
)
def test_a_url_that_can_not_work_gets_one_sentence(options, url):
    with pytest.raises(CarrierSettingError) as refusal:
        carrier_from_url(url, options())
    sentence = str(refusal.value)
    assert sentence.endswith(".") and "\n" not in sentence and "s3cret" not in sentence


def test_a_ca_file_that_is_none_is_named(options, tmp_path):
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(CarrierSettingError, match="ca.pem"):
        carrier_from_url("smtps://mail.example.ma", options(ca_file=Path(tmp_path / "ca.pem")))


@pytest.mark.parametrize("changes", [{"sender": "Massar <a@b.ma>"}, {"sender": "nobody"}, {"sender": "a@b\r\n.ma"}])
def test_a_sender_that_can_not_be_written_is_named(options, changes):
    with pytest.raises(CarrierSettingError, match="sender"):
        carrier_from_url("smtps://mail.example.ma", options(**changes))
