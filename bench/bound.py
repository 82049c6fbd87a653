"""The physical bound of signing in: Argon2id verifications alone, in one thread, by the library the product uses.

    python -m bench.bound CPU_SECONDS MEMORY_KIB,PASSES …

Prints one JSON object: verifications per CPU-second by parameters. Each set gets that many CPU-seconds.
"""

from __future__ import annotations

import json
import sys
import time

from nacl import pwhash

PASSWORD = b"the same length as a real one"


def verifications(memory_kib: int, passes: int, seconds: float) -> float:
    """Verifications per CPU-second of this process."""
    phc = pwhash.argon2id.str(PASSWORD, opslimit=passes, memlimit=memory_kib * 1024)
    pwhash.verify(phc, PASSWORD)
    start = time.process_time()
    count = 0
    while time.process_time() - start < seconds:
        pwhash.verify(phc, PASSWORD)
        count += 1
    return count / (time.process_time() - start)


def main() -> None:
    seconds = float(sys.argv[1])
    sets = {text: [int(number) for number in text.split(",")] for text in sys.argv[2:]}
    print(json.dumps({text: verifications(memory, passes, seconds) for text, (memory, passes) in sets.items()}))


if __name__ == "__main__":
    main()
