"""Where carriers call back about messages."""
