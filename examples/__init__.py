"""Six small sites that open with the account, as their makers would write them (README.md)."""
