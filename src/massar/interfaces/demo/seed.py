"""`python -m massar.interfaces.demo.seed`: puts the cast into the demo's database where it is missing, and prints
`user name  password` for each. Refuses to run outside the demo.
"""

import os
import sys
from importlib import import_module

import django
from django.conf import settings


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
    django.setup()
    if not settings.MASSAR.demo:
        print("Demo people are for the demo only.", file=sys.stderr)
        return 2
    # By name: people can only be spoken of once the settings are read.
    for line in import_module("massar.interfaces.demo.casting").seed():
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
