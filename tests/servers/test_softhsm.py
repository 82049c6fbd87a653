"""Data keys in a token: Debian's SoftHSM 2 through python-pkcs11, with the product's own programs."""

import os
import subprocess
from pathlib import Path
from urllib.parse import quote

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag

from tests.servers.machine import program
from tests.support.installation import Installation, refused_in_one_sentence
from tests.support.programs import SOFTHSM
from tests.support.two_nodes import Node

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so")
PIN, LOGIN, PASSWORD = "271828", "jamal.jalal@taalim.ma", "Couscous-mint-4!"
K1 = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Token:
    """A SoftHSM token of the test's own, with a key that can't be extracted and one that can."""

    def __init__(self, folder: Path):
        util = program(SOFTHSM)
        self.module = next(str(found) for one in MODULES for found in Path("/").glob(one.lstrip("/")))
        (folder / "tokens").mkdir()
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")  # the library reads it in this process too
        words = ("--init-token", "--free", "--label", "massar test", "--pin", PIN, "--so-pin", "31415926")
        subprocess.run([util, *words], check=True, capture_output=True)
        self.pin = folder / "pin"
        self.pin.touch(0o600)
        self.pin.write_text(f"{PIN}\n")
        with pkcs11.lib(self.module).get_token(token_label="massar test").open(rw=True, user_pin=PIN) as session:
            for label, extractable in (("data", False), ("open", True)):
                session.generate_key(
                    KeyType.GENERIC_SECRET, 256, label=label, id=label.encode(), store=True,
                    mechanism=Mechanism.GENERIC_SECRET_KEY_GEN, capabilities=MechanismFlag.SIGN,
                    template={Attribute.SENSITIVE: not extractable, Attribute.EXTRACTABLE: extractable},
                )  # fmt: skip

    def uri(self, label: str = "data", **changed: str) -> str:
        path = {"token": "massar%20test", "object": label}
        query = {"module-path": quote(self.module), "pin-source": f"file:{self.pin}"}
        parts = [{**one, **{k: v for k, v in changed.items() if k in one}} for one in (path, query)]
        path_text, query_text = (s.join(f"{k}={v}" for k, v in one.items()) for s, one in zip(";&", parts, strict=True))
        return f"pkcs11:{path_text}?{query_text}"


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    before = os.environ.get("SOFTHSM2_CONF")
    yield Token(tmp_path_factory.mktemp("token"))
    os.environ.pop("SOFTHSM2_CONF", None)
    if before is not None:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def installed(tmp_path, token) -> Installation:
    installation = Installation(tmp_path)
    assert installation.massar("migrate", MASSAR_DATA_KEYS=K1).returncode == 0
    added = installation.massar("createperson", LOGIN, "--password-stdin", stdin=PASSWORD, MASSAR_DATA_KEYS=K1)
    assert added.returncode == 0, added.stderr
    return installation


def test_the_data_keys_move_into_a_token_and_every_process_has_them_from_there(installed, token):
    both = f"{K1},k2:{token.uri()}"
    for words in (("keys", "activate", "k2"), ("keys", "reseal")):
        done = installed.massar(*words, MASSAR_DATA_KEYS=both)
        assert done.returncode == 0, done.stderr
    listed = installed.massar("keys", "list", MASSAR_DATA_KEYS=both).stdout
    assert (
        " 0 row(s) to reseal" in listed
        and "MASSAR_DATA_KEYS" not in installed.massar("check", MASSAR_DATA_KEYS=both).stdout
    )
    node = Node(installed, "a")
    try:
        node.start(both)
        node.serves()
    finally:
        node.stop()
    again = installed.massar("keys", "list", MASSAR_DATA_KEYS=f"k2:{token.uri(object='data')},{K1}")
    assert again.returncode == 0 and "!!" not in again.stdout, "the same key each time"


@pytest.mark.parametrize(("changed", "told"), [
    ({"object": "none"}, "the token has no such secret key"),
    ({"token": "other"}, "there is no such token"),
    ({"module-path": "/no/such/module.so"}, "cannot open shared object file"),
    ({"pin-source": "file:/no/such/file"}, "can't be read"),
    ({"object": "open"}, "can be extracted"),
], ids=lambda one: next(iter(one)) if isinstance(one, dict) else "")  # fmt: skip
def test_what_is_wrong_with_a_token_is_said_in_a_sentence_without_the_pin(installed, token, changed, told):
    done = installed.massar("check", MASSAR_DATA_KEYS=f"{K1},k2:{token.uri(**changed)}")
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr and PIN not in done.stderr


def test_a_wrong_pin_is_said(installed, token, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("000000")
    done = installed.massar("check", MASSAR_DATA_KEYS=f"{K1},k2:{token.uri(**{'pin-source': f'file:{wrong}'})}")
    assert done.returncode == 2 and "the PIN is wrong" in done.stderr


def test_check_says_that_others_may_read_the_pin(installed, token):
    token.pin.chmod(0o644)
    try:
        told = installed.massar("check", MASSAR_DATA_KEYS=f"{K1},k2:{token.uri()}").stdout
        assert f"{token.pin} leads to the data keys and is open to others" in told
    finally:
        token.pin.chmod(0o600)


def test_another_master_key_under_the_same_name_is_refused(installed, token):
    """The database knows the key of that name by its check value."""
    with pkcs11.lib(token.module).get_token(token_label="massar test").open(rw=True, user_pin=PIN) as session:
        session.generate_key(
            KeyType.GENERIC_SECRET, 256, label="second", store=True, mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
            capabilities=MechanismFlag.SIGN,
            template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )  # fmt: skip
    installed.massar("keys", "activate", "k2", MASSAR_DATA_KEYS=f"{K1},k2:{token.uri()}")
    other = installed.massar("worker", MASSAR_DATA_KEYS=f"{K1},k2:{token.uri('second')}")
    refused_in_one_sentence(other, "is another than the database's k2")
