"""Providers: what takes messages out. One folder for each kind; `registry` is the door."""

import re

NAME = re.compile(r"[a-z][a-z0-9_-]{0,38}")  # of a table [providers.NAME]; it stands in addresses and as a key of rows
