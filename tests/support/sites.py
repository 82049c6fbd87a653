"""The registry of sites that a file of the operator's makes."""

import os
from collections.abc import Mapping
from pathlib import Path

from massar.core.settings import SettingsError, read_toml
from massar.domain.sites import registry
from massar.domain.sites.registry import Registry


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Registry:
    """The six of the guide with the file over them. Raises SettingsError."""
    given = read_toml(path).get("sites", {}) if path else {}
    read, mistakes = registry.read(given, os.environ if environ is None else environ)
    if mistakes:
        raise SettingsError(mistakes)
    return read
