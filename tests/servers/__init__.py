"""Tests against real servers from distribution packages: `make test-servers`, marked `servers`."""
