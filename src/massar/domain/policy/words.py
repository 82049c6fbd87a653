"""Words for passwords that a child can learn by heart. What is drawn from them is drawn elsewhere (`core/ids.py`)."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

WORDS_OF_ONE = 3
LEAST_NUMBER, GREATEST_NUMBER = 10, 99  # behind the words: six bits and a half, and a digit for rules that want one


def load(text: str) -> Mapping[str, tuple[str, ...]]:
    """The words of each language."""
    return {language: tuple(listed.split()) for language, listed in tomllib.loads(text).items()}


WORDS = load(Path(__file__).with_suffix(".toml").read_text("utf-8"))
