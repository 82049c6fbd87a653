"""What is asked of every page: no fault in the console, no violation for axe, room for a thumb, pictures.

Playwright drives a Chromium that is on the machine; axe-core comes from the package axe-playwright-python.
"""

import re
from html import escape
from importlib import resources
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, Response

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}
SHEET = """<!doctype html><meta charset="utf-8"><title>Contact sheet</title>
<style>body{font:14px sans-serif;background:#e7e7e3;margin:24px}section{display:flex;gap:12px;flex-wrap:wrap;
align-items:flex-start}figure{margin:0}img{border:1px solid #bbb;display:block}img.w360{width:200px}
img.w1280{width:440px}h2{margin:24px 0 8px}</style><h1>Contact sheet</h1>
"""
# Windows, and how wide the page is made in each of them, in px: every phone that is sold, from the 320 of WCAG 2.2
# (1.4.10) on. The style sheet changes at 26rem, so the page is made narrower in a window of the same side of that.
PHONES = ((320, (320,)), (415, range(320, 416, 5)), (430, range(420, 431, 5)))
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
EVERYTHING = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"type": "rule", "values": ["color-contrast"]}
# The lines are put together there: all that axe knows of a page takes as long to bring over as to find out.
VIOLATIONS = """async (options) => (await axe.run(document, options)).violations.flatMap(({id, help, nodes}) =>
  nodes.map((node) => `${id}: ${help} — ${node.html.slice(0, 160)}`))"""

_first_language: dict[str, str] = {}  # by name of page

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
# At each width: words that touch or leave the frame they stand in (a border or a ground of its own), or that another
# one cuts off; and what is wider than the page. Laying out anew takes a tenth of what resizing the window takes.
SQUEEZED = """(widths) => {
  const framed = (element) => {
    const style = getComputedStyle(element);
    return parseFloat(style.borderInlineStartWidth) > 0 || parseFloat(style.borderInlineEndWidth) > 0
      || (style.backgroundColor !== 'rgba(0, 0, 0, 0)' && style.display !== 'inline');
  };
  const found = [], texts = [], root = document.documentElement, body = document.body;
  const walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest('.vh, .skip, script, noscript, .dot')) continue;
    if (!parent.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    let frame = parent;
    while (frame !== body && !framed(frame)) frame = frame.parentElement;
    texts.push([node, range, frame]);
  }
  for (const width of widths) {
    root.style.width = `${width}px`;
    if (Math.max(root.scrollWidth - root.clientWidth, body.scrollWidth - body.clientWidth) > 0)
      found.push(`at ${width} px: something is wider than the page`);
    for (const [node, range, frame] of texts) {
      const box = frame.getBoundingClientRect();
      for (const line of range.getClientRects()) {
        const room = Math.min(line.left - box.left, box.right - line.right);
        if (line.width > 0 && room < 6)
          found.push(`at ${width} px: ${node.textContent.trim().slice(0, 40)}: ${room.toFixed(1)} px to its frame`);
      }
    }
  }
  root.style.removeProperty('width');
  return [...new Set(found)];
}"""


def watched(page: Page, hosts: tuple[str, ...]) -> list[str]:
    """What goes wrong while the page is used, as it happens. hosts: what may be visited, as host:port."""
    problems: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not PAGE_STATUS.match(message.text):
            problems.append(f"console {message.type}: {message.text}")

    def failed(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # a page that is left while it still loads something ends that
            problems.append(f"failed: {request.url} {request.failure}")

    def asked(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc not in hosts:
            problems.append(f"asked elsewhere: {request.url}")

    def answered(response: Response) -> None:
        if response.status >= 500 or (response.status >= 400 and "/static/" in response.url):
            problems.append(f"{response.status} for {response.url}")

    page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
    for event, heard in (("console", console), ("requestfailed", failed), ("request", asked), ("response", answered)):
        page.on(event, heard)
    return problems


def bring_axe(page: Page) -> None:
    """Have axe-core on the page, and on those that it shows later: half a megabyte is long on its way."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE)
        page.add_init_script(AXE)


def axe_violations(page: Page, only: dict, *, colours: bool = True) -> list[str]:
    """What axe-core finds on the page as it stands, one line for each element. To judge colours is half of its work."""
    rules = {"color-contrast": {"enabled": colours}}
    found: list[str] = page.evaluate(VIOLATIONS, {"runOnly": only, "rules": rules, "resultTypes": ["violations"]})
    return found


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
    """Look at the page as it stands, on a phone and a desk, by day and by night: check it, picture it. No word touches
    its frame, and nothing is wider than the screen, on phones of every width.

    Colours are the same in each language: by night, and by all rules at both sizes, the first one is looked at in which
    a page is met; then French at a desk, English on a phone.

    The pictures go to build/screenshots/ as name-language-width-theme.jpeg.
    """
    before, is_first = page.viewport_size, _first_language.setdefault(name, language) == language
    problems = outline_problems(page, language)
    bring_axe(page)
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        whole = is_first or size is (DESKTOP if language == "fr" else PHONE)
        by_day = axe_violations(page, EVERYTHING, colours=is_first) if whole else []
        if size is PHONE:
            by_day += [f"small target: {line}" for line in page.evaluate(SMALL_TARGETS)]
        if page.evaluate(WIDER_THAN_SCREEN) > 0:
            by_day.append("the page is wider than the screen")
        if whole or size is PHONE:
            shot(page, name, language)
        by_night = []
        if is_first:
            page.emulate_media(color_scheme="dark", reduced_motion="reduce")
            by_night = axe_violations(page, COLOURS)
            shot(page, name, language, "dark")
            page.emulate_media(color_scheme="light", reduced_motion="reduce")
        for theme, found in (("light", by_day), ("dark", by_night)):
            problems += [f"at {size['width']} px, {theme}: {line}" for line in found]
    for window, widths in PHONES:
        page.set_viewport_size({"width": window, "height": 740})
        problems += page.evaluate(SQUEEZED, list(widths))
    page.set_viewport_size(before)
    assert not problems, f"{name} in {language}:\n" + "\n".join(dict.fromkeys(problems))


def shot(page: Page, name: str, language: str, theme: str = "light") -> None:
    """A picture of the whole page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}-{language}-{page.viewport_size['width']}-{theme}.jpeg"
    page.screenshot(path=path, full_page=True, animations="disabled", quality=85)


def write_contact_sheet() -> None:
    """All pictures together, page by page: build/contact-sheet.html."""
    parts = [SHEET]
    pictures = sorted(SCREENSHOTS.glob("*-*-*-*.jpeg"), key=lambda path: path.stem.rsplit("-", 3))
    for name, group in groupby(pictures, key=lambda path: path.stem.rsplit("-", 3)[0]):
        parts.append(f"<h2>{escape(name)}</h2><section>")
        for path in group:
            address, width = f"screenshots/{escape(path.name)}", path.stem.rsplit("-", 2)[1]
            image = f'<img class="w{width}" loading="lazy" src="{address}" alt="">'
            shown = f"{image}<figcaption>{escape(path.stem)}</figcaption>"
            parts.append(f'<figure><a href="{address}">{shown}</a></figure>')
        parts.append("</section>")
    if pictures:
        (SCREENSHOTS.parent / "contact-sheet.html").write_text("\n".join(parts), "utf-8")
