"""Signing keys, grants and tokens, saved requests, the replay cache, and subjects."""

from django.db import models


class SigningKey(models.Model):
    """`ciphertext` holds the private key (PKCS#8 DER), `public` the JWK (JSON) or the X.509 certificate (PEM)."""

    class Use(models.TextChoices):
        ES256 = "ES256"
        RS256 = "RS256"
        SAML = "SAML"

    kid = models.CharField(max_length=22, unique=True)
    use = models.CharField(max_length=5, choices=Use)
    ciphertext = models.BinaryField()
    public = models.TextField()
    created_at = models.DateTimeField()
    active_from = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)


class SavedRequest(models.Model):
    """What a site asked while nobody was signed in."""

    ref = models.CharField(max_length=64, unique=True)
    ciphertext = models.BinaryField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)


class Grant(models.Model):
    """What one session granted to one site: the family of all codes and tokens that came of it.

    Ends with its session, with a password change, with reuse of a code or refresh token; if `offline` it outlives its
    session. `session_id` 0: a site's own (client credentials). `sid`: the name of the session at the site.
    """

    site = models.CharField(max_length=40)
    person_id = models.BigIntegerField(default=0)
    session_id = models.BigIntegerField(default=0, db_index=True)
    subject = models.CharField(max_length=64)
    login = models.CharField(max_length=254, blank=True)
    scope = models.CharField(max_length=200)
    auth_time = models.BigIntegerField(default=0)
    nonce = models.TextField(blank=True)
    created_at = models.BigIntegerField()
    expires_at = models.BigIntegerField()
    ended_at = models.BigIntegerField(default=0)
    sid = models.CharField(max_length=32, blank=True, db_default="")
    offline = models.BooleanField(db_default=False)

    class Meta:
        indexes = [
            models.Index(fields=["person_id", "site"], name="sites_grants_of"),
            models.Index(fields=["site", "created_at"], name="sites_newest", condition=models.Q(person_id__gt=0)),
        ]


class Token(models.Model):
    """A code, access token, refresh token, or the gate's ticket or cookie.

    Only its SHA-256 is stored: 256 random bits need no slow hash. `repeat` is the token itself, encrypted: of a refresh
    token that has just replaced another, until `repeat_until` or until it is used (docs/adr/0040).
    """

    hash = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=7)  # code, access, refresh, ticket or gate
    grant = models.ForeignKey(Grant, on_delete=models.CASCADE, related_name="+")
    binding = models.TextField(blank=True)
    expires_at = models.BigIntegerField(db_index=True)
    used_at = models.BigIntegerField(default=0)
    repeat = models.BinaryField(null=True)
    repeat_until = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        indexes = [
            models.Index(fields=["repeat_until"], name="sites_token_repeats", condition=models.Q(repeat_until__gt=0))
        ]


class ReplayCacheEntry(models.Model):
    """Ids that must not come twice (SAML requests, client assertions), until they could no longer be valid."""

    key = models.CharField(max_length=64, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)


class Subject(models.Model):
    """The name of a person at one site: opaque, pairwise, never reassigned (decision 28)."""

    site = models.CharField(max_length=40)
    person_id = models.BigIntegerField()
    value = models.CharField(max_length=40, unique=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "person_id"], name="sites_one_subject")]
        indexes = [models.Index(fields=["person_id"], name="sites_subjects_of")]
