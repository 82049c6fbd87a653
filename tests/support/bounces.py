"""What comes back for a letter: reports recorded from Postfix (tests/servers/test_postfix.py), and made ones."""

from pathlib import Path

REPORTS = Path(__file__).parent / "reports"


def report(fields: str, text: str = "It did not go.", after: str = "") -> bytes:
    """A report with these fields about one recipient; `text` is what people read of it."""
    return (
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\nContent-Type: text/plain\n\n{text}\n"
        f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n{fields}\n"
        f"{after}--b--\n"
    ).encode()
