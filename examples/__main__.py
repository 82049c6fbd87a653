"""python -m examples register FOLDER ACCOUNT PORT×6 | python -m examples run FOLDER

`run` serves the six registered sites on this machine only, one process, a port each.
"""

import json
import logging
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from examples import kit
from examples.register import register


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def get_environ(self) -> dict[str, Any]:
        """With the target as it stands on the request line, under gunicorn's name for it: the gate repairs nothing."""
        return {**super().get_environ(), "RAW_URI": self.requestline.split()[1]}

    def log_message(self, *args: object) -> None:
        """Nothing: the demo's terminal belongs to the demo."""


def run(folder: Path) -> None:
    told = json.loads((folder / "samples.json").read_text("utf-8"))
    samples = [kit.Sample(slug, **about) for slug, about in told["sites"].items()]
    kit.DEMO.account = told["account"]
    kit.DEMO.sites = {site.port: site for site in samples}
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        MIDDLEWARE=["examples.kit.BySite"],
        ROOT_URLCONF="examples.oidc_site",
        LOGGING_CONFIG=None,
    )
    logging.basicConfig(level=logging.ERROR)
    application = get_wsgi_application()
    servers = [make_server("127.0.0.1", site.port, application, Server, Handler) for site in samples]
    waiting = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "run":
        run(Path(sys.argv[2]))
    elif len(sys.argv) == 10 and sys.argv[1] == "register":
        register(Path(sys.argv[2]), sys.argv[3], [int(port) for port in sys.argv[4:]])
    else:
        sys.exit(__doc__)
