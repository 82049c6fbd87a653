"""Who is measured with: N accounts, and as many logins of the same length that no account has."""

PASSWORDS = tuple(f"Measured-{word}-47392" for word in ("harvest", "lantern", "orchard", "compass"))
WRONG_PASSWORD = "Measured-nothing-47392"


def login(number: int) -> str:
    return f"bench.k{number:05d}@taalim.ma"


def nobody(number: int) -> str:
    return f"bench.u{number:05d}@taalim.ma"


def password(number: int) -> str:
    return PASSWORDS[number % len(PASSWORDS)]


def email(number: int) -> str:
    return f"bench.k{number:05d}@example.org"


def recipient(number: int) -> str:
    """Where recovery reaches them: people of even number by e-mail, the others by phone."""
    return phone_sent(number) if number % 2 else email(number)


def phone(number: int) -> str:
    """As people type it. The test's SMSC does what the last two digits say; 00 is to be delivered."""
    return f"066{number:05d}00"


def phone_sent(number: int) -> str:
    """The same as the gateway gets it (E.164)."""
    return f"+21266{number:05d}00"
