"""Every rate limit of the product, for operators and auditors to read in one place."""

from datetime import timedelta

from massar.domain.limits.gcra import RateLimit

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_FULL_WITHIN = 100 * DAY  # then the row of any bucket can go

# Sign-in and every other place where a password is asked.
SIGN_IN_DEVICE = RateLimit("sign-in-device", 10, timedelta(seconds=90))  # a known device: apart from all others
SIGN_IN_ACCOUNT = RateLimit("sign-in-account", 20, 6 * MINUTE)  # unknown devices: the name, in every domain of ours
# NIST SP 800-63B-4 §3.2.2: 100 failures in a row; reset by a success, and one more a day. (A row that never came
# back could never be swept: whoever types a million invented names would fill the table for good.)
SIGN_IN_CONSECUTIVE = RateLimit("sign-in-consecutive", 100, DAY)
# The account itself, under whatever name it was typed. Beyond these a try is answered as a wrong one: no other spelling
# gives a stranger more tries, and no wait tells which names are one account's (ADR 72).
SIGN_IN_PERSON = SIGN_IN_ACCOUNT._replace(name="sign-in-person")
SIGN_IN_PERSON_CONSECUTIVE = SIGN_IN_CONSECUTIVE._replace(name="sign-in-person-consecutive")
# The second step. It stands behind the password, and has tries of its own: two in three million for each.
FACTOR_DEVICE = RateLimit("factor-device", 10, timedelta(seconds=90))  # a known device: apart from all others
FACTOR_ACCOUNT = RateLimit("factor-account", 10, 6 * MINUTE)
FACTOR_CONSECUTIVE = RateLimit("factor-consecutive", 100, DAY)  # as SIGN_IN_CONSECUTIVE
# Failures of unknown devices in one network, with codes too. Beyond it each try needs a challenge; nobody is refused: a
# school of 2 000 with 3 % of slips fails 60 times in a morning's five minutes.
SIGN_IN_NETWORK = RateLimit("sign-in-network", 200, timedelta(seconds=10))
# Challenges that were waited out instead of solved, so that waiting in a thousand windows at once is no way round.
CHALLENGE_WAIT = RateLimit("challenge-wait", 20, timedelta(seconds=6))
# A right passkey is charged nothing: these bound what refusals write into the audit log, and how often a copied key is
# told to its owner.
PASSKEY_NETWORK = RateLimit("passkey-network", 600, timedelta(seconds=1))
PASSKEY_COPIED = RateLimit("passkey-copied", 1, DAY)
# Wrong codes on the page that lets a browser in. A right one is charged nothing, and judged beyond it too.
VOUCHING_NETWORK = RateLimit("vouching-network", 300, timedelta(seconds=10))
CHANGE_CURRENT = RateLimit("change-current", 20, HOUR)  # typing the temporary password again on the change form

# Recovery: asking. Nothing is looked up there, so nothing of an account is counted.
ASK_NETWORK = RateLimit("ask-network", 600, timedelta(seconds=1))  # a school behind one address is no attack
ASK_DEVICE = RateLimit("ask-device", 10, MINUTE)  # a browser that knows an account, when its network is flooded
# Recovery: answering, in the worker, when the contact was right. Vouching has as many of each, apart: see `apart`.
ASK_GAP = RateLimit("ask-gap", 1, MINUTE)  # one browser and one contact: nobody reads two messages at once
# A new secret, per account and contact; the number is a setting, see `hourly`.
SEND_HOUR = RateLimit("send-hour", 3, 20 * MINUTE)
SEND_DAY = RateLimit("send-day", 6, 4 * HOUR)
SEND_DEVICE_HOUR = RateLimit("send-device-hour", 3, 20 * MINUTE)  # the same for each known device, so that strangers …
SEND_DEVICE_DAY = RateLimit("send-device-day", 12, HOUR)  # … spend nothing of the owner's
# Beyond these the running secret again, to whoever asks: the most that strangers can bring to one phone is 360 a day.
# Who asks within half of that time after such a message has it at hand, and all others wait no longer than the other
# half: so every right ask has its message within two minutes (ADR 55).
SEND_AGAIN = RateLimit("send-again", 3, 4 * MINUTE)
JUST_SENT = SEND_AGAIN.refill / 2
# Wrong contacts, counted for the audit log alone: nothing shows to who typed them, so nobody is refused for them.
GUESS_NETWORK = RateLimit("guess-network", 10, DAY / 10)  # for one account from one network
GUESS_BROWSER = RateLimit("guess-browser", 10, 2 * HOUR)


def hourly(limit: RateLimit, times: int) -> RateLimit:
    """The same limit with as many units an hour as the operator's setting says."""
    return RateLimit(limit.name, times, HOUR / times)


def apart(limit: RateLimit, purpose: str) -> RateLimit:
    """The same limit, counted for that purpose alone: what is spent on vouching is not taken from recovery."""
    return limit if purpose == "recovery" else limit._replace(name=f"{purpose}-{limit.name}")


def of_a_day(name: str, times: int) -> RateLimit:
    """So many in one day of the calendar, which stands in the bucket's name: next to nothing comes back before midnight
    (ATK-141). Of many more does, so that the bucket's row can go."""
    return RateLimit(name, times, min(DAY, _FULL_WITHIN / times))


# The help desk. A number is asked for by strangers: a school's network at once, and then five a minute.
CASE_NETWORK = RateLimit("case-network", 200, timedelta(seconds=12))
CASE_TYPED = RateLimit("case-typed", 60, MINUTE)  # wrong numbers that one agent types
REPLACE_AGENT = of_a_day("replace-agent", 20)
REPLACE_BRANCH = of_a_day("replace-branch", 100)
LOSS_AGENT = of_a_day("loss-agent", 20)
LINK_AGENT = of_a_day("link-agent", 20)  # guardians of pupils; many at once are a list's
GUARDIAN_NAMED = of_a_day("guardian-named", 60)  # whom an agent names, of any branch, rightly or not
LINK_BRANCH = of_a_day("link-branch", 200)
UNLINK_AGENT = of_a_day("unlink-agent", 20)
GUARDIAN_CODE = RateLimit("guardian-code", 5, DAY)  # tries of one case, whichever code it was sent
APPROVE_AGENT = of_a_day("approve-agent", 60)  # new passwords; eight minutes of a working day for each
DECLINE_AGENT = of_a_day("decline-agent", 60)  # each is a message to somebody
CONFIRM_AGENT = of_a_day("confirm-agent", 120)  # two colleagues propose all that they may

EXPORT_DAY = RateLimit("export-day", 5, DAY / 5)  # copies of “my data”, per account

# The help desk, for each agent.
DESK_SEARCH = of_a_day("desk-search", 300)
DESK_FOUND = of_a_day("desk-found", 1500)  # pages of what was found: each search five times
DESK_UNMASK = of_a_day("desk-unmask", 20)
DESK_RECOVERY = of_a_day("desk-recovery", 60)
DESK_LOOK = of_a_day("desk-look", 1)  # of one agent at one person: how often it is told
EXPORT_ROWS = RateLimit("export-rows", 200_000, DAY / 200_000)  # people in the lists that one agent takes away
# Codes that are handed over, per agent: slips of a large school in a day, and class codes as a teacher needs them.
SLIPS_DAY = RateLimit("slips-day", 2000, DAY / 2000)
CLASS_CODES_DAY = RateLimit("class-codes-day", 60, DAY / 60)
CLASS_CODE_PUPIL = RateLimit("class-code-pupil", 6, 4 * HOUR)  # one pupil, whoever gives it

# Contacts: proving.
CODE_GAP = RateLimit("code-gap", 1, MINUTE)
CODE_ACCOUNT = RateLimit("code-account", 6, 4 * HOUR)
CODE_DESTINATION = RateLimit("code-destination", 5, DAY / 5)
CODE_NETWORK = RateLimit("code-network", 60, MINUTE)
# Toll fraud takes adjacent numbers, each with another account: blocks of 1 000 numbers. The day's limit leaves room
# for an institution whose phones were bought in one piece.
CODE_BLOCK = RateLimit("code-block", 15, timedelta(seconds=40))
CODE_BLOCK_DAY = RateLimit("code-block-day", 200, DAY / 200)

# All SMS of the country, in segments. The numbers are settings, see `sms`; a share only recovery may draw upon.
RECOVERY_SHARE = 20  # percent
SMS_HOUR = RateLimit("sms-hour", 32_000, HOUR / 32_000)
SMS_DAY = RateLimit("sms-day", 200_000, DAY / 200_000)
SMS_HOUR_RESERVE = RateLimit("sms-hour-reserve", 8_000, HOUR / 8_000)
SMS_DAY_RESERVE = RateLimit("sms-day-reserve", 50_000, DAY / 50_000)
NOTICE_NEW_DEVICE = RateLimit("notice-new-device", 3, 8 * HOUR)  # mails about sign-ins on new devices, for each account
FREEZE = RateLimit("freeze", 3, 8 * HOUR)  # of one account: whoever reads its mail could shut it again and again
NOTICE_SMS = RateLimit("notice-sms", 10, 2 * HOUR)  # notices by SMS that one account causes; mail tells the same


def sms(per_hour: int, per_day: int, *, reserve: bool) -> tuple[RateLimit, RateLimit]:
    """The country's budgets of an hour and a day at the operator's numbers: what all share, or recovery's reserve."""
    kept = [max(1, times * RECOVERY_SHARE // 100) for times in (per_hour, per_day)]
    hour, day = kept if reserve else (per_hour - kept[0], per_day - kept[1])
    names = (SMS_HOUR_RESERVE, SMS_DAY_RESERVE) if reserve else (SMS_HOUR, SMS_DAY)
    return hourly(names[0], hour), RateLimit(names[1].name, day, DAY / day)


# Requests of sites that wait while a stranger signs in: a row of an hour for whoever asks.
SAVED_REQUEST_NETWORK = RateLimit("saved-request-network", 600, timedelta(seconds=1))
# Ids of SAML requests that nobody signed, so that they come once: rows of six minutes for whoever asks.
REPLAY_CACHE_NETWORK = RateLimit("replay-cache-network", 600, timedelta(seconds=1))
