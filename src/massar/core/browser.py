"""What is known of the browser in front of us: values only, made by an interface, read by journeys."""

import re
from dataclasses import dataclass, field

# Name by mark; the first that is there counts.
_SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS X": "macOS",
            "CrOS": "ChromeOS", "Linux": "Linux"}  # fmt: skip
_PROGRAMS = {"Edg/": "Edge", "OPR/": "Opera", "SamsungBrowser": "Samsung Internet", "Firefox/": "Firefox",
             "FxiOS": "Firefox", "CriOS": "Chrome", "Chrome/": "Chrome", "Safari/": "Safari"}  # fmt: skip


@dataclass(frozen=True)
class Browser:
    """What an interface tells a journey about the browser. `network`: address prefix (/24 or /56), never the whole
    address. `label`: 'Chrome · Android' or ''. `trusted_devices`: the signed cookie as received. `recovery_browser`:
    the token of the browser that asks for recoveries. `language`: the one chosen on this browser; '' when none was, and
    messages are in the person's own."""

    network: str = ""
    label: str = ""
    trusted_devices: str = field(default="", repr=False)
    recovery_browser: str = field(default="", repr=False)
    language: str = ""


def describe(user_agent: str) -> str:
    """Name a browser in short, without versions; '' when nothing is recognised."""
    agent = re.sub(r"[^\x20-\x7e]", "", user_agent)[:400]
    found = (next((name for mark, name in known.items() if mark in agent), "") for known in (_PROGRAMS, _SYSTEMS))
    return " · ".join(filter(None, found))
