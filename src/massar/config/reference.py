"""The page of all settings, written from the classes that read them (`make settings`)."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Literal, get_args, get_origin

from massar.config.environment import Settings
from massar.core.settings import Duration, Expected, Setting, Table, expected, one_of, settings_of
from massar.domain.sites.registry import Site
from massar.providers.smpp.settings import SmppSettings
from massar.providers.sms_http.settings import HttpSettings
from massar.providers.smtp.settings import SmtpSettings

HEAD = """# Settings

Every setting, with its default. Written by `make settings` from the classes that read them: change those, not this
page. How settings are given is told in [configuration](configuration.md).

A text that reads `env:NAME` or `file:PATH`, in any variable or table, also inside a list or a table, is taken from that
variable (of the environment or of `.env`) or from that file, without its last line end. A variable that is not set, a
file that can't be read or is larger than 64 KiB, and an empty one of either are mistakes. "required" means in
production; elsewhere there is a value for trying things out.
"""
# Title, class, introduction, and of the variables the first of each part.
PARTS = {
    "The installation": "MASSAR_MODE",
    "Messages": "MASSAR_EMAIL_URL",
    "People and rules": "MASSAR_INSTITUTION_DOMAINS",
    "Times": "MASSAR_TEMPORARY_SMS_MINUTES",
    "The audit log": "MASSAR_AUDIT_KEY",
}
TABLES: tuple[tuple[str, type[Table], str], ...] = (
    ("Mail (smtp)", SmtpSettings, 'A table `[providers.NAME]` with `kind = "smtp"`: [mail](mail.md).'),
    ("SMS by SMPP (smpp)", SmppSettings, 'A table `[providers.NAME]` with `kind = "smpp"`: [SMS by SMPP](smpp.md). '
     "`password_file` may stand for a `password` that reads `file:PATH`."),
    ("SMS over HTTP (http)", HttpSettings, 'A table `[providers.NAME]` with `kind = "http"`: [gateways](sms-http.md).'),
    ("Sites", Site, "A table `[sites.NAME]`: [the sites file](sites.md)."),
)  # fmt: skip


def descriptions(table: type[Table]) -> dict[str, str]:
    """By field: the text that stands below it in the class, or in the class that it comes from."""
    found: dict[str, str] = {}
    for one in reversed(table.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0].body  # type: ignore[attr-defined]
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return found


def page() -> str:
    parts, first = [HEAD], {name: title for title, name in PARTS.items()}
    for row, setting in _rows(Settings):
        if setting.name in first:
            parts.append(f"\n## {first[setting.name]}\n\n| Variable | Default | Value | Meaning |\n|---|---|---|---|\n")
        parts.append(row)
    for title, table, introduction in TABLES:
        parts.append(f"\n## {title}\n\n{introduction}\n\n| Setting | Default | Value | Meaning |\n|---|---|---|---|\n")
        parts += [row for row, _ in _rows(table)]
    return "".join(parts)


def _rows(table: type[Table], inside: str = "") -> Iterator[tuple[str, Setting]]:
    meanings = descriptions(table)
    for setting in settings_of(table).values():
        if setting.inner:
            yield from _rows(setting.inner, f"{inside}{setting.name}.")
            continue
        value = expected(setting)
        if get_origin(setting.kind) is Literal:
            value = one_of([f"`{choice}`" if choice else "empty" for choice in get_args(setting.kind)])
        elif table.VARIABLES and get_origin(setting.kind) is tuple and not setting.note(Expected):
            value = "words, with commas between"
        yield f"| `{inside}{setting.name}` | {_default(setting)} | {value} | {meanings[setting.field]} |\n", setting


def _default(setting: Setting) -> str:
    default = setting.default
    if setting.required:
        return "required"
    if default in ("", (), {}, None):
        return "none"
    if isinstance(default, timedelta) and (duration := setting.note(Duration)):
        return f"`{default // timedelta(**{duration.unit: 1})}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{','.join(map(str, default)) if isinstance(default, tuple) else default}`"


if __name__ == "__main__":
    print(page(), end="")
