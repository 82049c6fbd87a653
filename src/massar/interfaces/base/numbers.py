"""Numbers as people read them."""

from babel.numbers import format_decimal

from massar.core import local_time


def number(language: str, value: float | None, digits: int = 0) -> str:
    """`1 234,50` in Moroccan French; a dash where there is none."""
    if value is None:
        return "–"
    pattern = f"#,##0.{'0' * digits}" if digits else "#,##0"
    return format_decimal(round(value, digits), pattern, locale=local_time.LOCALES[language])
