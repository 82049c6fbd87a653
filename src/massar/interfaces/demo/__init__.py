"""The on-screen phone and mailbox of the demo. Never switched on in production."""
