"""The settings of an SMPP provider: every mistake is one sentence that names the setting and holds no secret."""

import math

import pytest

from massar.domain.delivery.provider import ProviderOptions, ProviderSettingError
from massar.providers.registry import provider_from_table, provider_from_url
from massar.providers.smpp.pdu import Address
from massar.providers.smpp.settings import read_table

TABLE = {"kind": "smpp", "host": "smsc.example.ma", "system_id": "massar", "password": "s3cret"}


def read(**changes):
    return read_table({**TABLE, **changes}, name="iam")


def test_three_settings_are_enough():
    settings = read()
    assert settings.place == ("smsc.example.ma", 3550) and settings.tls == "on" and settings.password == "s3cret"
    assert settings.rate_of_a_bind == 9.0 and settings.longest.total_seconds() == 23.0
    assert read(tls="off").place[1] == 2775 and read(port=9000).place[1] == 9000
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(("changes", "named"), [
    ({"color": "red"}, "color"), ({"host": ""}, "host"), ({"system_id": ""}, "system_id"),
    ({"system_id": "a" * 16}, "system_id"), ({"system_id": "é"}, "system_id"), ({"password": "a\0b"}, "password"),
    ({"password": 7}, "password"), ({"password": "a" * 65}, "password"), ({"password_file": "nowhere"}, "both"),
    ({"system_type": "a" * 13}, "system_type"), ({"service_type": "a" * 6}, "service_type"), ({"tls": "no"}, "tls"),
    ({"tls": False}, "tls"), ({"bind": "rx"}, "bind"), ({"validity": "short"}, "validity"),
    ({"receipt_id": "hex"}, "receipt_id"), ({"receipt_id": "hex_to_dec", "receipt_id_tlv": "dec_to_hex"}, "contradict"),
    ({"port": -1}, "port"), ({"port": "2775"}, "port"), ({"port": 65_536}, "port"), ({"binds": 0}, "binds"),
    ({"binds": True}, "binds"), ({"window": 1_001}, "window"), ({"window": 2.5}, "window"), ({"rate": 0}, "rate"),
    ({"rate": math.nan}, "rate"), ({"source": "Massar OTP 123"}, "source"), ({"source": ""}, "source"),
    ({"source": "مسار"}, "source"), ({"source": "1" * 21}, "source"), ({"source_ton": 7}, "source_ton"),
    ({"to_npi": -1}, "to_npi"), ({"answer_timeout": 0}, "answer_timeout"),
    ({"enquire_after": math.inf}, "enquire_after"), ({"reconnect_first": 5, "reconnect_most": 2}, "reconnect_first"),
    ({"ca_file": "nowhere.pem"}, "nowhere.pem"), ({"ca_file": "ca.pem", "tls": "off"}, "ca_file"),
    ({"password": "env:MASSAR_TEST_NO_SUCH"}, "password"),
])  # fmt: skip
def test_a_mistake_is_one_sentence_that_names_it(changes, named):
    with pytest.raises(ProviderSettingError) as refusal:
        provider_from_table({**TABLE, **changes}, name="iam")
    sentence = str(refusal.value)
    assert named in sentence and sentence.endswith(".") and "\n" not in sentence and "s3cret" not in sentence


@pytest.mark.parametrize(("changes", "source"), [
    ({}, (5, 0, "MASSAR")), ({"source": "+212600000000"}, (1, 1, "212600000000")),
    ({"source": "212600000000"}, (1, 1, "212600000000")), ({"source": "3737"}, (0, 0, "3737")),
    ({"source": "3737", "source_ton": 3, "source_npi": 8}, (3, 8, "3737")),
])  # fmt: skip
def test_the_sender_has_its_type(changes, source):
    assert read(**changes).sender == Address(*source)


def test_the_password_may_stand_in_a_file_or_in_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "password"
    file.write_text("from a file\n")
    table = {"host": "smsc.example.ma", "system_id": "massar"}
    assert read_table({**table, "password_file": str(file)}, name="iam").password == "from a file"
    monkeypatch.setenv("MASSAR_TEST_SMSC", "from outside")
    assert read_table({**table, "password": "env:MASSAR_TEST_SMSC"}, name="iam").password == "from outside"
    with pytest.raises(ProviderSettingError, match="nowhere', which can't be read"):
        read_table({**table, "password_file": str(tmp_path / "nowhere")}, name="iam")


def test_a_url_says_the_same_as_a_table(ca_file):
    provider = provider_from_url(
        "smpps://massar:s%40%2Fcret@smsc.example.ma:4000?source=3737&rate=27&binds=2&window=20&bind=tx%2Brx"
        "&receipt_id=hex_to_dec&answer_timeout=4",
        ProviderOptions(name="iam", ca_file=ca_file),
    )
    assert provider.name == "iam" and provider.settings == read_table(
        {
            "host": "smsc.example.ma", "port": 4000, "system_id": "massar", "password": "s@/cret", "source": "3737",
            "rate": 27, "binds": 2, "window": 20, "bind": "tx+rx", "receipt_id": "hex_to_dec", "answer_timeout": 4,
            "ca_file": str(ca_file),
        },
        name="iam",
    )  # fmt: skip


def test_a_url_takes_the_sender_of_sms_where_it_names_none():
    provider = provider_from_url("smpp://massar:x@127.0.0.1", ProviderOptions(sms_sender="COMPTE"))
    assert provider.settings.source == "COMPTE"


def test_a_plain_line_to_another_machine_is_written_down(caplog):
    # This machine, under a name that is not taken for it.
    provider = provider_from_table({**TABLE, "host": "127.1", "port": 1, "tls": "off"}, name="iam")
    provider.open(lambda receipt: None)
    provider.close()
    assert any("iam: tls is off" in record.getMessage() for record in caplog.records)
