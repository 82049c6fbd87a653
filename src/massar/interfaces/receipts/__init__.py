"""Where providers call back about messages."""
