"""A site's request that waits while its person signs in, recovers or changes a password.

It is kept here, not in the browser: that holds a reference.
"""

import json
from datetime import datetime, timedelta

from massar.core import encryption, ids
from massar.domain.sites.models import SavedRequest

LIFE = timedelta(hours=1)


def save(request: dict[str, str], *, now: datetime) -> str:
    """Save a request; returns the reference for the browser's cookie."""
    index = _index(ref := ids.token())
    plain = json.dumps(request).encode()
    ciphertext = encryption.data_keys().encrypt(plain, associated_data=f"saved-request|{index}")
    SavedRequest.objects.create(ref=index, ciphertext=ciphertext, created_at=now, expires_at=now + LIFE)
    return ref


def read(ref: str, *, now: datetime) -> dict[str, str] | None:
    row = SavedRequest.objects.filter(ref=_index(ref), expires_at__gt=now).first() if ref else None
    if row is None:
        return None
    place, data = f"sites_savedrequest {row.pk}", f"saved-request|{row.ref}"
    plain = encryption.open_row(bytes(row.ciphertext), associated_data=data, row=place)
    if plain is None:
        return None
    request: dict[str, str] = json.loads(plain)
    return request


def extend(ref: str, *, until: datetime, now: datetime) -> None:
    """Let a request wait until then, if it still waits and would have ended before."""
    SavedRequest.objects.filter(ref=_index(ref), expires_at__gt=now, expires_at__lt=until).update(expires_at=until)


def delete(ref: str) -> None:
    if ref:
        SavedRequest.objects.filter(ref=_index(ref)).delete()


def delete_all() -> int:
    return SavedRequest.objects.all().delete()[0]


def sweep(*, now: datetime) -> int:
    return SavedRequest.objects.filter(expires_at__lte=now).delete()[0]


def _index(ref: str) -> str:
    return encryption.data_keys().blind_index("saved-request", ref)
