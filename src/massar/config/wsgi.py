"""What a server calls: `server` for Granian; `application` for WSGI servers that drop names with underscores."""

import os
from functools import partial

import django

from massar.core import processes, timeouts
from massar.core.log import set_up

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
set_up()
timeouts.serve_people()
with processes.uncollected():
    django.setup(set_prefix=False)

    from massar.core.keyring import api as keyring
    from massar.interfaces.base.direct import Direct, DjangoHandler  # Django must be set up before
    from massar.interfaces.base.rsgi import RsgiApplication

    keyring.state.follow()
    application = Direct(DjangoHandler())
    server = RsgiApplication(application, beside=partial(keyring.state.watch, "web"))
