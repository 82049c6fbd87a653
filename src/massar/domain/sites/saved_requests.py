"""A site's request that waits while its person signs in, recovers or changes a password. Kept here, not in the browser."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from massar.core import encryption, ids
from massar.domain.sites.models import SavedRequest

LIFE = timedelta(hours=1)


def save(request: dict, *, now: datetime) -> str:
    """Keeps a request (texts only); returns the reference for the browser's cookie."""
    ref = ids.token()
    tag = _tag(ref)
    SavedRequest.objects.create(
        ref=tag,
        ciphertext=encryption.data_keys().encrypt(json.dumps(request).encode(), associated_data=f"saved-request|{tag}"),
        created_at=now,
        expires_at=now + LIFE,
    )
    return ref


def read(ref: str, *, now: datetime) -> dict | None:
    """The request, still waiting."""
    row = SavedRequest.objects.filter(ref=_tag(ref), expires_at__gt=now).first() if ref else None
    if row is None:
        return None
    try:
        return json.loads(encryption.data_keys().decrypt(row.ciphertext, associated_data=f"saved-request|{row.ref}"))
    except encryption.DecryptionFailed:
        return None


def extend(ref: str, *, until: datetime, now: datetime) -> None:
    """Keeps it until then, if it still waits and would have ended before."""
    SavedRequest.objects.filter(ref=_tag(ref), expires_at__gt=now, expires_at__lt=until).update(expires_at=until)


def delete(ref: str) -> None:
    """It was answered."""
    if ref:
        SavedRequest.objects.filter(ref=_tag(ref)).delete()


def sweep(*, now: datetime) -> int:
    return SavedRequest.objects.filter(expires_at__lte=now).delete()[0]


def _tag(ref: str) -> str:
    return encryption.data_keys().blind_index("saved-request", ref)
