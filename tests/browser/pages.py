"""What is asked of every page: no fault in the console, no violation for axe, room for a thumb, pictures.

Playwright drives a Chromium that is on the machine; axe-core comes from the package axe-playwright-python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, Response

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}
NARROWEST = {"width": 320, "height": 640}  # WCAG 2.2, 1.4.10: reads without scrolling sideways
VIEWS = ((PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light"), (DESKTOP, "dark"))
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# A form that answers 4xx (wrong password, too many tries) makes Chromium write this line for the page itself.
PAGE_STATUS = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")

# Targets are larger here (44 px) than WCAG 2.2 asks (2.5.8: 24 px), so their size is measured besides.
# A link inside a sentence is exempt there and here; so is what only a screen reader meets.
SMALL_TARGETS = """() => {
  const inSentence = (element) => element.tagName === 'A' && element.parentElement
    && getComputedStyle(element).display.startsWith('inline')
    && element.parentElement.textContent.trim().length > element.textContent.trim().length;
  const pressed = (element) => {
    const label = element.matches('input') ? element.closest('label') : null;
    return label || element;
  };
  const targets = 'a[href], button, summary, select, textarea, input:not([type=hidden])';
  return [...document.querySelectorAll(targets)]
    .filter((element) => element.checkVisibility({visibilityProperty: true, opacityProperty: true}))
    .filter((element) => !element.matches('.vh, .skip') && !inSentence(element))
    .map((element) => [element, pressed(element).getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.height < 44 || box.width < 24))
    .map(([element, box]) =>
      `${element.outerHTML.slice(0, 90)} is ${Math.round(box.width)}x${Math.round(box.height)}`);
}"""
WIDER_THAN_SCREEN = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


# Words that touch or leave the frame they stand in (a border or a ground of its own), or that another frame cuts off.
TOUCHING = """() => {
  const framed = (element) => {
    const style = getComputedStyle(element);
    return parseFloat(style.borderInlineStartWidth) > 0 || parseFloat(style.borderInlineEndWidth) > 0
      || (style.backgroundColor !== 'rgba(0, 0, 0, 0)' && style.display !== 'inline');
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest('.vh, .skip, script, noscript, .dot')) continue;
    if (!parent.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    let frame = parent;
    while (frame !== document.body && !framed(frame)) frame = frame.parentElement;
    const box = frame.getBoundingClientRect();
    for (const line of range.getClientRects()) {
      const room = Math.min(line.left - box.left, box.right - line.right);
      const words = node.textContent.trim().slice(0, 40);
      if (line.width > 0 && room < 6) found.push(`${words}: ${room.toFixed(1)} px to its frame`);
    }
  }
  return [...new Set(found)];
}"""
WIDTHS = range(320, 421, 5)


def touching(page: Page) -> list[str]:
    """Words that touch their frame, and pages wider than the screen, on phones of 320 to 420 px."""
    before, found = page.viewport_size, []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 740})
        found += [f"at {width} px: {line}" for line in page.evaluate(TOUCHING)]
        if page.evaluate(WIDER_THAN_SCREEN) > 0:
            found.append(f"at {width} px: the page is wider than the screen")
    page.set_viewport_size(before)
    return found


@dataclass
class Watch:
    """Collects what goes wrong while a page is used. Attach before the first address is opened.

    host and others: the product itself and what may be visited beside it, as host:port.
    """

    host: str
    others: tuple[str, ...] = ()
    problems: list[str] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("request", self._request)
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning") or PAGE_STATUS.match(message.text):
            return
        self.problems.append(f"console {message.type}: {message.text}")

    def _failed(self, request: Request) -> None:
        # A page that is left while it still loads something ends that request; nothing is wrong then.
        if request.failure != "net::ERR_ABORTED":
            self.problems.append(f"failed: {request.url} {request.failure}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc not in (self.host, *self.others):
            self.problems.append(f"asked elsewhere: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 500 or (response.status >= 400 and "/static/" in response.url):
            self.problems.append(f"{response.status} for {response.url}")


def axe_violations(page: Page) -> list[str]:
    """What axe-core finds on the page as it stands, one line for each element."""
    page.evaluate(AXE)
    options = {"runOnly": {"type": "tag", "values": AXE_TAGS}, "resultTypes": ["violations"]}
    result = page.evaluate("(options) => axe.run(document, options)", options)
    return [
        f"{violation['id']}: {violation['help']} — {node['html'][:160]}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


def outline_problems(page: Page, language: str) -> list[str]:
    """Language, direction, one heading of the first rank, one main part, a title of its own."""
    direction = "rtl" if language == "ar" else "ltr"
    root = page.locator("html")
    wanted = {
        "language": (root.get_attribute("lang"), language),
        "direction": (root.get_attribute("dir"), direction),
        "first headings": (page.locator("h1").count(), 1),
        "main parts": (page.locator("main").count(), 1),
        "a title of its own": (bool(re.match(r"\S.+ · \S", page.title())), True),
    }
    return [f"{what}: {is_!r}, not {should!r}" for what, (is_, should) in wanted.items() if is_ != should]


def inspect(page: Page, name: str, language: str) -> None:
    """Look at the page as it stands, on a phone and a desk, by day and by night: check it, picture it.

    The pictures go to build/screenshots/ as name-language-width-theme.png.
    """
    before = page.viewport_size
    problems = outline_problems(page, language)
    for size, theme in VIEWS:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        where = f"at {size['width']} px, {theme}"
        problems += [f"{where}: {line}" for line in axe_violations(page)]
        if page.evaluate(WIDER_THAN_SCREEN) > 0:
            problems.append(f"{where}: the page is wider than the screen")
        if size is PHONE:
            problems += [f"{where}: small target: {line}" for line in page.evaluate(SMALL_TARGETS)]
        shot(page, name, language, theme)
    page.set_viewport_size(NARROWEST)
    if page.evaluate(WIDER_THAN_SCREEN) > 0:
        problems.append(f"at {NARROWEST['width']} px: the page is wider than the screen")
    page.set_viewport_size(before)
    page.emulate_media(color_scheme="light")
    assert not problems, f"{name} in {language}:\n" + "\n".join(dict.fromkeys(problems))


def shot(page: Page, name: str, language: str, theme: str = "light") -> Path:
    """A picture of the whole page; returns its path."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}-{language}-{page.viewport_size['width']}-{theme}.png"
    page.screenshot(path=path, full_page=True, animations="disabled")
    return path
