"""Every message in every language: it fits, it says what it must, and nothing else slips in."""

import re
import unicodedata
from html.parser import HTMLParser

import pytest

from massar.domain.delivery import wording
from massar.domain.delivery.sms_text import measure
from massar.domain.delivery.wording import (
    CONTACT_CODE,
    EVENTS,
    LANGUAGES,
    NOTICE,
    TEMPORARY_PASSWORD,
    VOUCHING_CODE,
    render,
)
from tests.support.letters import CANCEL, CASES, CHILD, CODE, LONG_HELP, LONGEST, NOT_ME, SECRET, UNTIL, rendered

every_message = pytest.mark.parametrize(("template", "event"), CASES, ids=lambda case: case or None)
every_language = pytest.mark.parametrize("language", LANGUAGES)
SECRETS = [(TEMPORARY_PASSWORD, SECRET), (VOUCHING_CODE, SECRET), (CONTACT_CODE, CODE)]
with_secret = pytest.mark.parametrize(("template", "secret"), SECRETS)


@every_language
@every_message
@pytest.mark.parametrize("help_line", ["", "0800 00 11 22", "+212 5 37 68 72 54", LONG_HELP])
@pytest.mark.parametrize("contact", ["06••••••22", "k•••@etu.univ-mohammed5.ac.ma"])
def test_an_sms_keeps_to_its_allowance_and_alphabet(template, event, language, help_line, contact):
    changes = {"help": help_line} | ({"contact": contact} if template == NOTICE else {})
    sms = rendered(template, event, language, "sms", **changes)
    size, text = measure(sms.text), sms.text
    allowed = 2 if (template, language) == (NOTICE, "ar") else 1
    assert size.segments <= wording.most_segments(template, language) == allowed, text
    assert language == "ar" or not size.offenders, (text, size.offenders)
    assert sms.subject == "" and sms.html is None
    assert not re.search(r"https?:|www\.|/[a-z]", text), "a link"
    assert "  " not in text and text == text.strip() and "()" not in text and ": ." not in text, "a gap"


def test_the_sms_of_a_temporary_password_says_this():
    values = {"secret": SECRET, "valid_until": "14:35", "host": "compte.men.gov.ma", "help": "0800 00 11 22"}

    def text(language):
        return render(TEMPORARY_PASSWORD, language=language, channel="sms", values=values).text

    assert text("fr") == (
        "Massar: mot de passe provisoire\nkdmwt-47392\nValable jusqu'à 14:35. Ne le donnez à personne.\n\n"
        "@compte.men.gov.ma #kdmwt-47392"
    )
    assert text("ar") == "مسار: كلمة مرور مؤقتة\nkdmwt-47392\nصالحة إلى غاية 14:35. لا تعطوها لأحد"
    assert text("en").splitlines()[1] == SECRET


@every_language
def test_a_childs_password_names_the_child_and_fits_one_sms(language):
    """A guardian of three has to know whose it is. A name of many parts gives way to its first."""
    for child in (CHILD["child"], "Abdelhamid", "Mohamed-Abderrahmane El Amine"):
        sms = rendered(TEMPORARY_PASSWORD, "", language, "sms", child=child).text
        assert measure(sms).segments == 1 and sms.splitlines()[1] == SECRET, sms
        mail = rendered(TEMPORARY_PASSWORD, "", language, "email", child=child)
        assert child in mail.text and child in mail.html and child in mail.subject
        assert mail.text.splitlines().count(SECRET) == mail.html.count(SECRET) == 1
    assert "Abdelhamid" in rendered(TEMPORARY_PASSWORD, "", language, "sms", child="Abdelhamid").text


def test_the_sms_of_a_childs_password_says_this():
    values = {"secret": SECRET, "valid_until": "14:35", "child": "سلمى"}
    text = render(TEMPORARY_PASSWORD, language="ar", channel="sms", values=values).text
    assert text == "مسار: كلمة مرور سلمى\nkdmwt-47392\nأعطوها لطفلكم وحده قبل 14:35"


@with_secret
@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_line_that_binds_a_code_to_the_site_comes_last_or_not_at_all(template, secret, language):
    bound = rendered(template, "", language, "sms").text
    assert bound.endswith(f"\n\n@compte.men.gov.ma #{secret}")
    for host, spoken in (("compte." + "a" * 70 + ".gov.ma", language), ("", language), ("a.ma", "ar")):
        assert "@" not in rendered(template, "", spoken, "sms", host=host).text, "it costs no second segment"


@with_secret
@every_language
def test_the_secret_stands_alone_on_its_line_and_nowhere_else(template, secret, language):
    mail = rendered(template, "", language, "email")
    assert mail.text.splitlines().count(secret) == mail.text.count(secret) == mail.html.count(secret) == 1
    assert secret not in mail.subject
    cell = re.search(r"<td([^>]*)><span[^>]*>" + re.escape(secret), mail.html)[1]
    assert 'dir="ltr"' in cell and "unicode-bidi:isolate" in cell
    sms = rendered(template, "", language, "sms").text
    assert sms.splitlines()[1] == secret and sms.count(secret) == (1 if language == "ar" else 2)
    shown = " ".join(re.sub(r"<[^>]*>", " ", mail.html[mail.html.index("<body") :]).split())
    assert shown.index(secret) > 120 and mail.text.index(secret) > 80, "a locked screen shows how a letter begins"


@every_language
@every_message
@pytest.mark.parametrize("channel", ["sms", "email"])
def test_no_control_or_bidirectional_mark_travels(template, event, language, channel):
    message = rendered(template, event, language, channel)
    for part in (message.subject, message.text, message.html or ""):
        odd = {sign for sign in part if unicodedata.category(sign) in ("Cf", "Cc", "Cs", "Co") and sign != "\n"}
        assert odd == set()


class Cells(HTMLParser):
    """Collects what a letter is made of."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "br", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"


@every_language
@every_message
def test_a_letter_says_direction_and_language_on_every_cell(template, event, language):
    html = rendered(template, event, language, "email").html
    letter = Cells(html)
    assert letter.open == []
    direction = "rtl" if language == "ar" else "ltr"
    cells = [attributes for tag, attributes in letter.tags if tag == "td"]
    assert len(cells) > (3 if template == wording.TRIAL else 5)  # a trial has one paragraph
    for cell in cells:
        own = "ltr" if "isolate" in cell["style"] else direction
        assert cell["dir"] == own and f"direction:{own}" in cell["style"] and "text-align:" in cell["style"]
        assert cell["lang"] == ("en" if "isolate" in cell["style"] else language)
    root = dict(letter.tags)["html"]
    assert (root["lang"], root["dir"]) == (language, direction)


@every_language
@every_message
def test_a_letter_fetches_nothing_hides_nothing_and_links_to_nothing_but_the_pages_of_a_notice(
    template, event, language
):
    html = rendered(template, event, language, "email").html
    tags = {tag for tag, _ in Cells(html).tags}
    assert not tags & {"img", "link", "script", "iframe", "form", "object", "video", "audio"}
    assert "url(" not in html and "@import" not in html
    links = [attributes["href"] for tag, attributes in Cells(html).tags if tag == "a"]
    assert links == ([CANCEL, NOT_ME] if template == NOTICE else [])
    assert len(html.encode()) < 30_000  # far below the size at which webmail cuts a message
    styles = " ".join(re.findall(r'style="([^"]*)"', html))  # spam hides its words so
    assert not re.search(r"display:\s*none|visibility:\s*hidden|opacity:|font-size:\s*[01](px|\b)", styles)


@every_language
def test_a_notice_says_when_where_and_which_in_both_parts(language):
    mail = rendered(NOTICE, "contact_change_waiting", language, "email")
    for part in (mail.text, mail.html):
        assert "22:55" in part and "2026" in part and "Samsung Internet 27" in part and CANCEL in part
    assert "k•••@etu.univ-mohammed5.ac.ma" in mail.html
    assert {CANCEL, NOT_ME} <= set(mail.text.splitlines())


@every_language
def test_every_event_has_words_of_its_own(language):
    assert len({rendered(NOTICE, event, language, "email").subject for event in EVENTS}) == len(EVENTS)
    assert len({rendered(NOTICE, event, language, "sms").text for event in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize(("language", "day"), [
    ("ar", "الأربعاء 30 شتنبر 2026"), ("fr", "mercredi 30 septembre 2026"), ("en", "Wednesday 30 September 2026"),
])  # fmt: skip
def test_times_are_the_country_s_in_the_words_of_the_language(language, day):
    mail = rendered(TEMPORARY_PASSWORD, "", language, "email")
    for part in (mail.text, mail.html):
        assert "22:55" in part and day in part
    assert not re.search(r"[٠-٩۰-۹]", mail.text + mail.html)


def test_numbers_read_right_in_plain_arabic():
    """Groups of digits would be laid out from right to left, and bullets turn a number round (UAX #9)."""
    values = {**LONGEST[NOTICE], "contact": "06••••••22"}
    notice = rendered(NOTICE, "contact_removed", "ar", "sms", **values).text
    assert "00212537687254" in notice and "المنتهي بالرقمين 22" in notice and "•" not in notice
    mail = rendered(NOTICE, "contact_removed", "ar", "email", **values)
    assert "00212537687254" in mail.text and '<bdi dir="ltr">06••••••22</bdi>' in mail.html


def test_values_can_not_write_markup_or_lines():
    evil = 'x"><script>alert(1)</script>\r\nBcc: y\u202e&'
    mail = rendered(NOTICE, "new_device", "fr", "email", device=evil, contact="")
    assert "<script" not in mail.html and "&lt;script&gt;" in mail.html
    assert "\nBcc" not in mail.text and "\u202e" not in mail.text + mail.html


def test_what_people_typed_is_brought_into_the_small_alphabet():
    sms = rendered(NOTICE, "contact_added", "fr", "sms", contact="k•••@g…", help="l’hôtel – n° 5").text
    assert "k***@g..." in sms and "l'hotel - n? 5" in sms


@pytest.mark.parametrize(("template", "language", "channel", "values"), [
    ("nothing", "fr", "sms", {}),
    (NOTICE, "es", "sms", {"event": "new_device", "when": "x"}),
    (NOTICE, "fr", "fax", {"event": "new_device", "when": "x"}),
    (NOTICE, "fr", "sms", {"event": "x", "when": "x"}),
    (NOTICE, "fr", "sms", {"event": "new_device"}),
    (TEMPORARY_PASSWORD, "fr", "sms", {"secret": SECRET}),
    (TEMPORARY_PASSWORD, "fr", "sms", {"secret": SECRET, "valid_until": "14:35", "name": "Jamal"}),
    (CONTACT_CODE, "fr", "sms", {"code": "", "valid_until": "14:35"}),
])  # fmt: skip
def test_what_has_no_wording_is_an_error_and_not_an_empty_message(template, language, channel, values):
    with pytest.raises(KeyError):
        render(template, language=language, channel=channel, values=values)


def test_a_moment_without_a_zone_is_an_error():
    with pytest.raises(ValueError, match="naive"):
        rendered(TEMPORARY_PASSWORD, "", "fr", "sms", valid_until=UNTIL.replace(tzinfo=None))
