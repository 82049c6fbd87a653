"""Shared by the test run and the tests: outside programs, a throw-away database, the product as a process."""
