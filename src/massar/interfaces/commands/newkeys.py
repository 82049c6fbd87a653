"""New keys for an installation."""

import argparse
import base64

from massar.core import ids


def prepare(_: argparse.Namespace) -> int:
    """Prints three lines for `.env`; needs no settings."""
    print(f"MASSAR_SECRET_KEY={ids.token()}")
    print(f"MASSAR_DATA_KEYS=k1:{base64.b64encode(ids.key_bytes()).decode()}")
    print(f"MASSAR_AUDIT_KEY={base64.b64encode(ids.key_bytes()).decode()}")
    return 0
