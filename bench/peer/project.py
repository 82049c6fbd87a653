"""The addresses of the toolkit, and one SHA-256 for secrets of 256 random bits, as the product has it."""

import hashlib
from typing import Any

from django.contrib.auth.hashers import BasePasswordHasher
from django.urls import include, path
from django.utils.crypto import constant_time_compare

urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]


class Sha256(BasePasswordHasher):
    algorithm = "sha256_of_random"

    def encode(self, password: str, salt: str) -> str:
        return f"{self.algorithm}$${hashlib.sha256(password.encode()).hexdigest()}"

    def verify(self, password: str, encoded: str) -> bool:
        return constant_time_compare(encoded, self.encode(password, ""))

    def decode(self, encoded: str) -> dict[str, Any]:
        return {"algorithm": self.algorithm, "hash": encoded.rpartition("$")[2], "salt": ""}

    def safe_summary(self, encoded: str) -> dict[Any, Any]:  # its keys may be lazy sentences
        return {"algorithm": self.algorithm}

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Nothing to harden: the secret is random."""
