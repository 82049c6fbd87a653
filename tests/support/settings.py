"""The product's settings as the tests use them: the real module, given an environment of the tests' own.

The real settings read the environment when they are imported, so the defaults are placed before that import.
MASSAR_TEST_DATABASE_URL, set by the test run, chooses PostgreSQL.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

FOLDER = Path(tempfile.mkdtemp(prefix="massar-tests-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
(FOLDER / "static").mkdir()  # where collected files would stand; tests take them from the source

os.environ["MASSAR_MODE"] = "test"
os.environ["MASSAR_VAR"] = str(FOLDER)
os.environ["MASSAR_DATABASE_URL"] = os.environ.get("MASSAR_TEST_DATABASE_URL") or f"sqlite:///{FOLDER}/massar.sqlite3"
# Argon2id at a cost that the settings refuse outside tests: tests sign in a lot.
os.environ.setdefault("MASSAR_ARGON2", "256,1")

from massar.config.django_settings import *  # noqa: E402, F403
from massar.config.django_settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite"):
    # A file, not Django's shared memory: threads then meet the same locks as in the product.
    DATABASES["default"]["TEST"] = {"NAME": str(FOLDER / "test.sqlite3")}
