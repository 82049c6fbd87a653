"""What a program that still runs has written so far."""

import json
from pathlib import Path


def entries(file: Path) -> list[dict]:
    """The JSON objects of its whole lines, one a line. The last line may be half there, in the middle of a letter."""
    whole = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in whole if line.startswith(b"{")]
