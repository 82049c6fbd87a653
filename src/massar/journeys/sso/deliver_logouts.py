"""Delivering logouts to sites: each site at its own address, with a breaker and a share of the senders of its own."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from massar.domain.delivery import api as delivery
from massar.domain.delivery.api import QueuedMessage, outbox
from massar.journeys.messages.leased_delivery import LeasedDelivery, Load, ProviderAnswer, Ready
from massar.journeys.sso import log_out_of_sites
from massar.journeys.sso.saml import sign_out

AWAY = "the site is away"  # the reason for which logouts wait until the site's breaker moves
# How a site is told in each channel: who writes what it gets.
BINDINGS: dict[str, Callable[..., str]] = {
    log_out_of_sites.BACK_CHANNEL: log_out_of_sites.logout_token,
    log_out_of_sites.SOAP: sign_out.soap_request,
}


class LogoutDelivery(LeasedDelivery):
    """The way of logouts. `providers`: by channel, what speaks to all sites of that channel."""

    def __init__(self, breakers: delivery.Breakers, providers: Mapping[str, delivery.Provider]):
        super().__init__(breakers)
        self.providers = providers

    def hold_back(self, now: datetime, load: Load) -> Sequence[str]:
        """Sites that rest after faults, or have their share of the senders, keep their logouts in the queue."""
        full = {name for name, count in load.under_way.items() if load.share and count >= load.share}
        names = {site.slug: delivery.name_of_site(site.slug) for site in settings.MASSAR.sites.sites}
        return [slug for slug, name in names.items() if name in full or self.breakers.rests(name, now)]

    def find_unwanted(self, messages: list[QueuedMessage], now: datetime) -> Mapping[int, str]:
        gone = (x for x in messages if x.values["site"] not in settings.MASSAR.sites.by_slug)
        return {message.id: "the site is no longer registered" for message in gone}

    def assign(self, messages: list[QueuedMessage], channel: str, now: datetime, load: Load) -> list[Ready]:
        ready, busy = list[Ready](), Counter(load.under_way)
        for message in messages:
            name = delivery.name_of_site(message.values["site"])
            if load.share and busy[name] >= load.share:
                outbox.put_back([message], now=now, pause=timedelta(0), reason="the site has its share")
            elif not self.breakers.may_use(name, now, tried=name in message.tried):
                outbox.put_back([message], now=now, pause=self.breakers.probe_in([name], now), reason=AWAY)
            else:
                busy[name] += 1
                ready.append(Ready(message, self.providers[channel], name))
        return ready

    def compose(self, message: QueuedMessage, now: datetime) -> delivery.OutboundMessage:
        """Sign it anew for each attempt."""
        text = BINDINGS[message.channel](message, now=now)
        return delivery.OutboundMessage(message.uid, message.channel, message.to, message.language, "", text)

    def judge(self, message: QueuedMessage, result: delivery.Result, now: datetime) -> delivery.Result:
        if message.channel == log_out_of_sites.SOAP:
            return sign_out.judge_soap_answer(message, result, now=now)
        return result

    def is_final(self, answer: ProviderAnswer, result: delivery.Result) -> bool:
        return isinstance(result, delivery.Rejected) and result.permanent

    def report_to_breaker(self, answer: ProviderAnswer, result: delivery.Result, now: datetime) -> None:
        site, message = answer.name, answer.message
        if delivery.breaker.report_site(site, message, result, now=now):
            until = delivery.breaker.all_states()[site].until
            outbox.wake(AWAY, channel=message.channel, about=message.values["site"], at=until or now)
