"""The migrations make the tables that the models describe."""

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_the_models_ask_for_no_further_migration():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)  # SystemExit where something differs
