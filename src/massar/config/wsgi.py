"""What a server calls: `server` for Granian; `application` for WSGI servers that drop names with underscores."""

import os

import django

from massar.core import processes, timeouts
from massar.core.log import set_up

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
set_up()
timeouts.serve_people()
with processes.uncollected():
    django.setup(set_prefix=False)

    from django.conf import settings
    from django.template.loader import get_template

    from massar.core.keyring import api as keyring
    from massar.interfaces.base import middleware, rush
    from massar.interfaces.base.direct import Direct, DjangoHandler  # Django must be set up before
    from massar.interfaces.base.rsgi import RsgiApplication
    from massar.interfaces.desk.lists import largest_body
    from massar.journeys import season

    def beside() -> None:
        """Begin what each process of the server looks up beside its requests."""
        keyring.state.watch("web")
        season.watch()

    keyring.state.follow()
    application = Direct(DjangoHandler())
    said = {**middleware.headers("ar", settings.MASSAR.https), "Content-Type": "text/html; charset=utf-8"}
    busy = [*said.items()], get_template("errors/plain.html").render().encode()
    server = RsgiApplication(application, beside=beside, largest=largest_body, busy=busy, rush=rush.here)
