"""The providers that the settings name: those of the file, or the one of the environment, for each channel."""

from django.conf import settings

from massar.domain.delivery import api as delivery
from massar.providers import registry

# What belongs to the gateway at MASSAR_SMS_URL, called alike in the settings and in the options.
_OF_THE_GATEWAY = "to_field text_field sender_field sender validity_field reference_field headers extra".split()


def from_settings() -> delivery.ProviderRegistry:
    """By channel, in the operator's order. Raises ProviderSettingError with one sentence."""
    massar = settings.MASSAR
    providers: dict[str, list[delivery.Provider]] = {}
    if massar.email_url:
        options = delivery.ProviderOptions(name="mail", sender=massar.email_from, ca_file=massar.email_ca_file)
        providers["email"] = [registry.provider_from_url(massar.email_url, options)]
    if massar.sms_url:
        own = {f"sms_{name}": getattr(massar, f"sms_{name}") for name in _OF_THE_GATEWAY}
        options = delivery.ProviderOptions(name="sms", ca_file=massar.sms_ca_file, **own)
        slots = delivery.bind_slots.of_provider("sms")
        providers["sms"] = [registry.provider_from_url(massar.sms_url, options, slots=slots)]
    addresses = {"email": ("MASSAR_EMAIL_URL", massar.email_url), "sms": ("MASSAR_SMS_URL", massar.sms_url)}
    for name, table in massar.providers.items():
        base, slots, env = f"{massar.public_url}/receipts", delivery.bind_slots.of_provider(name), massar.environ
        provider = registry.provider_from_table(table, name=name, receipts_base=base, slots=slots, environ=env)
        variable, url = addresses[provider.channel]
        if url:  # beside a list in the file nobody could say which comes first
            sentence = f"Both {variable} and [providers.{name}] say where messages go: keep one of them."
            raise delivery.ProviderSettingError(sentence)
        providers.setdefault(provider.channel, []).append(provider)
    prices = {name: table.get("price", 0) for name, table in massar.providers.items()}  # judged with the table
    return delivery.ProviderRegistry(providers, prices)
