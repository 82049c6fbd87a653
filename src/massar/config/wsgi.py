"""The product as a server calls it: `server` for Granian; `application` for a WSGI server that drops names with underscores."""

import os

from django.core.wsgi import get_wsgi_application

from massar.core import patience
from massar.core.log import set_up

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
set_up()
patience.a_person_waits()
whole = get_wsgi_application()

from massar.interfaces.base.direct import Direct  # noqa: E402 (Django must be set up before)
from massar.interfaces.base.rsgi import Door  # noqa: E402

application = Direct(whole)
server = Door(application)
