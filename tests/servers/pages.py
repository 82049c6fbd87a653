"""The configuration that a page of ours tells an operator to write: the very text between its fences."""

import re
import tomllib

from tests.support.product import ROOT

SIX = ROOT / "src" / "massar" / "domain" / "sites" / "defaults.toml"
_LOOKS = ("order", "icon", "host", "home", "name", "purpose", "no_recovery_hours")  # of a card, and who has to wait
_BLOCK = re.compile(r"^```(?:\w+)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def block(page: str, holding: str) -> str:
    """The one block of the page (as `docs/operate/sms-http.md`) in which these words stand."""
    found = [text for text in _BLOCK.findall((ROOT / page).read_text("utf-8")) if holding in text]
    assert len(found) == 1, f"{len(found)} blocks of {page} hold {holding!r}"
    return found[0]


def written(text: str, **lines: str) -> str:
    """`text` with these values in the place of its own (`name = value`). Each must stand there."""
    for name, value in lines.items():
        name = name.replace("_", "-")
        text, found = re.subn(rf"^{name} = .*$", lambda _, line=f"{name} = {value}": line, text, flags=re.MULTILINE)
        assert found == 1, f"{name} stands there {found} times"
    return text


def registered(page: str, site: str, places: dict[str, str], **values: object) -> dict:
    """The table of the page for that site, over what the product knows of it, at these places and with these values."""
    text = block(page, f"[sites.{site}]")
    for told, here in places.items():
        assert told in text, f"{told} is not in {page}"
        text = text.replace(told, here)
    known = tomllib.loads(SIX.read_text("utf-8"))["sites"].get(site, {})
    table = known | tomllib.loads(text)["sites"][site] | values
    return {name: value for name, value in table.items() if name not in _LOOKS}
