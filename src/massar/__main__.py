"""`python -m massar`: the same as the console script `massar`."""

import sys

from massar.interfaces.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
