"""Whose trouble a mail server's answer is, by stage, code and words: as mail servers and services word it."""

import pytest

from massar.domain.delivery.provider import MESSAGE, NOTHING, RECIPIENT, NotTransmitted
from massar.providers.smtp.replies import DATA, END, GREETING, HELLO, MAIL, RCPT, SIGN_IN, judged

ABOUT_US = [
    "550 5.4.5 Daily user sending quota exceeded.",
    "550-5.4.5 Daily SMTP relay sending limit exceeded. For more information on SMTP relay sending limits",
    "554 5.7.1 <x@example.org>: Recipient address rejected: Policy Rejection- Quota exceeded",
    "554 Sorry, your daily quota exceeded",
    "550 User massar has exceeded its 24-hour sending limit. Messages to 500 recipients out of 500 allowed have "
    "been sent.",
    "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message",
    "450 4.7.1 Hourly sending limit reached", "451 Authentication failed: Maximum credits exceeded",
    "554 Message rejected: Email address is not verified. The following identities failed the check: a@example.ma",
    "550 The from address does not match a verified Sender Identity",
    "550 5.7.1 Domain example.ma is not allowed to send: Sandbox subdomains are for test purposes only.",
    "554 5.2.252 SendAsDenied; no-reply@example.ma not allowed to send as a@example.ma",
    "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
    "554 5.7.1 <x@example.org>: Relay access denied", "550 5.7.1 Unable to relay", "550 Relaying denied",
    "550 5.7.64 TenantAttribution; Relay Access Denied",
    "554 5.7.1 <massar@example.ma>: Sender address rejected: Access denied",
    "554 5.7.1 <unknown[192.0.2.9]>: Client host rejected: Access denied",
    "554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org",
    "550 5.7.1 Unfortunately, messages from [192.0.2.9] weren't sent: part of their network is on our block "
    "list (S3140).", "550 5.7.606 Access denied, banned sending IP [192.0.2.9]",
    "550 5.7.705 Access denied, tenant has exceeded threshold",
    "550-5.7.26 This mail is unauthenticated, which poses a security risk",
    "530 5.7.0 Must issue a STARTTLS command first", "530 5.7.57 Client not authenticated to send mail",
    "503 5.5.1 Bad sequence of commands", "555 5.5.4 Unsupported option: NOTIFY=FAILURE",
    "525 5.7.1 Unauthorized IP address", "550 5.1.8 Access denied, bad outbound sender",
    "550 5.7.1 You have exceeded the maximum number of messages per day",
    "550 Maximum number of e-mails per hour exceeded", "554 5.7.1 You have sent too many messages, try again tomorrow",
    "550 5.7.0 Too many messages from this account", "550 Not enough credits",
    "550 You have exceeded your daily recipient quota", "554 5.7.1 Limit for recipients reached",
    "550 Account limit exceeded", "550 5.7.1 Insufficient funds", "554 5.7.0 Monthly allotment used up",
    "554 Your plan has run out of e-mails", "554 5.7.1 DailyQuotaExceeded", "554 RateLimitExceeded: retry later",
    "550 5.7.1 Quota d'envoi d\N{LATIN SMALL LETTER E WITH ACUTE}pass\N{LATIN SMALL LETTER E WITH ACUTE}",
    "550 Limite d'envoi atteinte", "554 Sending suspended for this account",
    "554 Sending paused for this account. For more information, please check the inbox",
    "550 5.4.6 Unusual sending activity detected. Please try after sometime",
    "554 Access denied: User `arn:aws:iam::1:user/x' is not authorized to perform `ses:SendRawEmail'",
    "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
]  # fmt: skip
# (answer, for good here, also by others)
ABOUT_THE_RECIPIENT = [
    ("554 5.7.1 <x@example.org>: Recipient address rejected: Access denied", True, False),
    ("450 4.7.1 <x@example.org>: Recipient address rejected: Greylisted, see http://example.org/sender", False, False),
    ("450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
     False, False),
    ("550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
     True, True),
    ("550 5.7.124 Sender not in allowed-senders list", True, False),
    ("550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission; not authorized to send to the recipient", True, False),
    ("550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", True, False),
    ("550 5.7.193 UserActionRestricted; Delivery not authorized, message refused", True, False),
    ("550 5.7.1 RESOLVER.RST.AuthRequired; authentication required [Stage: CreateMessage]", True, False),
    ("550 5.7.1 You are not authorized to send to this recipient", True, False),
    ("550 5.7.504 [x@example.org]: Recipient address rejected: Access denied", True, False),
    ("550 5.7.505 Access denied, banned recipient", True, False),
    ("550 5.7.507 Access denied, rejected by recipient", True, False),
    ("550 5.7.513 Service unavailable, Client host [192.0.2.9] blocked by recipient using Customer Block list",
     True, False),
    ("550 5.7.1 Too many messages to this recipient", True, False),
    ("554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
     True, True),
    ("550 Too many messages in this mailbox", True, True),
    ("550 Too many messages queued for recipient", True, True),
    ("550 Recipient over limit", True, True),
    ("550 Too many failed attempts to deliver to user", True, True),
    ("550 5.1.1 <x@example.org>: Recipient address rejected: User unknown in relay recipient table", True, True),
    ("550 no such user", True, True),
    ("553 sorry, that domain isn't in my list", True, True),
    ("554 delivery error", True, False),
    ("552 5.2.2 mailbox full", True, True),
    ("552 user over quota", True, True),
    ("552 Requested mail action aborted: exceeded storage allocation", True, True),
    ("452 4.2.2 The email account that you tried to reach is over quota", False, False),
    ("550 5.2.121 The recipient's hourly message receive limit has been exceeded", True, True),
    ("550 5.5.0 Requested action not taken: mailbox unavailable", True, False),
    ("501 Bad address", False, False),
    ("501 5.1.3 Bad recipient address syntax", True, True),
    ("556 5.1.10 The domain accepts no mail", True, True),
    # What another server said must not speak for this one: its owner may be whoever typed the address.
    ("550 5.1.1 <x@evil.example>: undeliverable address: host mx.evil.example said: 550 5.4.5 sending quota exceeded",
     True, True),
    ("550 <x@evil.example>: host mx.evil.example said: 550 daily sending quota exceeded, sender blocked", True, True),
    ("550 5.1.1 <relay-quota-exceeded@evil.example> unknown", True, True),
]  # fmt: skip


def answer(text: str, stage: str):
    return judged(int(text[:3]), text[4:].encode(), stage)


def facts(result) -> tuple:
    return result.permanent, result.configuration_error, result.busy, result.about


@pytest.mark.parametrize("text", ABOUT_US)
def test_what_names_us_is_ours_wherever_it_is_said(text):
    for stage in (RCPT, DATA, END):  # it was said to one message: others must hear it before everybody waits
        assert facts(answer(text, stage)) == (False, True, False, MESSAGE)


@pytest.mark.parametrize(("text", "permanent", "by_all"), ABOUT_THE_RECIPIENT)
def test_at_rcpt_an_answer_is_about_the_recipient(text, permanent, by_all):
    result = answer(text, RCPT)
    assert facts(result) == (permanent, False, False, RECIPIENT)
    assert (result.permanent and not result.elsewhere) == by_all


def test_after_rcpt_no_5xx_means_that_there_is_no_such_mailbox():
    for text in ("554 5.7.1 looks like spam", "550 no", "554 5.6.0 content", "552 too big", "571 what?"):
        assert facts(answer(text, DATA))[:2] == facts(answer(text, END))[:2] == (False, True)
    for text in ("550 5.1.1 no such user", "552 5.2.2 mailbox full"):  # named late: not our account, and not the end
        assert facts(answer(text, END)) == (False, False, False, RECIPIENT)


@pytest.mark.parametrize(("text", "configuration_error", "busy"), [
    ("451 4.3.5 Server configuration error", False, False), ("550 5.7.1 sender", True, False),
    ("421 4.3.2 too busy", False, True), ("452 4.3.1 no room", False, True), ("554 5.3.2 go away", True, False),
])  # fmt: skip
def test_before_the_recipient_is_named_nothing_is_about_him(text, configuration_error, busy):
    for stage in (GREETING, HELLO, SIGN_IN, MAIL):
        assert facts(answer(text, stage)) == (False, configuration_error, busy, NOTHING)


def test_the_mail_systems_own_trouble_is_no_one_domains_and_what_is_no_answer_was_not_sent():
    text = "451 4.3.5 <x@example.org>: Recipient address rejected: Server configuration error"
    assert facts(answer(text, RCPT)) == (False, False, False, MESSAGE)
    assert answer("299 what?", RCPT) == NotTransmitted("the server answered 299 at RCPT")


def test_the_words_are_not_repeated():
    """They often hold the address."""
    for text in [text for text, *_ in ABOUT_THE_RECIPIENT] + ABOUT_US:
        code = answer(text, RCPT).code
        assert "example" not in code and "@" not in code
