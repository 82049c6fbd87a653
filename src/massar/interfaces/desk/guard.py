"""The way in for agents: a role, and a proof of who they are that is not old.

To everybody else these pages do not exist."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import Http404, HttpResponse

from massar.domain.people.api import rights
from massar.interfaces.base import cookies, page, way_back
from massar.interfaces.base.request import Request
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.desk import agents
from massar.journeys.desk.agents import Agent
from massar.journeys.figures import see_figures

P = ParamSpec("P")
_PROOFS = {  # what is owed -> its page, and what is said there
    "factor": ("second_step", "flash.desk_factor"),
    "set_up": ("security", "flash.desk_set_up"),
    "password": ("desk_prove", "flash.desk_password"),
}
View = Callable[Concatenate[Request, Agent, P], HttpResponse]


def agents_only(view: View[P]) -> Callable[..., HttpResponse]:
    """Give the view the agent. Whoever has no role finds nothing; an agent whose proof is old or short gives it first
    and comes back."""
    return _proved(view, of)


def ministry_only(view: View[P]) -> Callable[..., HttpResponse]:
    """The same for what concerns the whole country: the ministry's own desk, and operators, with the same proof."""
    return _proved(view, of_ministry)


def exporters_only(view: View[P]) -> Callable[..., HttpResponse]:
    """The same for whoever may take a list of a branch away."""
    return _proved(view, _of_exports)


def figures_only(view: View[P]) -> Callable[..., HttpResponse]:
    """The same for whoever has figures of a branch: agents of a school and above, and operators."""
    return _proved(view, _of_figures)


def _of_figures(request: Request, signed_in: SignedIn) -> Agent:
    agent = Agent(signed_in, ()) if signed_in.person.operates else of(request, signed_in)
    if not see_figures.sees_any(agent):
        raise Http404
    return agent


def _of_exports(request: Request, signed_in: SignedIn) -> Agent:
    agent = of(request, signed_in)
    if rights.Right.EXPORT not in agents.rights_of(agent):
        raise Http404
    return agent


def _proved(view: View[P], find: Callable[[Request, SignedIn], Agent]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def guarded(request: Request, signed_in: SignedIn, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        agent = find(request, signed_in)
        owed = agents.proof_owed(agent, used_at=_used_at(request, agent), now=request.now)
        if owed:
            at, said = _PROOFS[owed]
            response = way_back.remember(request, page.redirect_to(at))
            cookies.write_flash(response, "info", said)
            return response
        response = view(request, agent, *args, **kwargs)
        for_country = agent.person.operates or agent.serves_ministry
        cookies.DESK.write_signed(response, "desk", [agent.session.id, int(request.now.timestamp()), for_country])
        return response

    return way_back.signed_in_only(guarded)


def for_person(right: rights.Right) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Give the view of an address with a `token` the person of it, for whom the agent may do this: `(request, agent,
    found, …)`. Everybody else is nobody. What this session did not seal leads to the search: most often it is of the
    agent's own session before."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def guarded(request: Request, agent: Agent, /, token: str, **kwargs: str | int) -> HttpResponse:
            if agents.unseal(agent, agents.PERSON, token) is None:
                response = page.redirect_to("desk_people")
                cookies.write_flash(response, "info", "flash.desk_search_again")
                return response
            found = agents.find(agent, token, right, now=request.now)
            if found is None:
                raise Http404
            return view(request, agent, found, **kwargs)

        return agents_only(guarded)

    return decorate


def of(request: Request, signed_in: SignedIn) -> Agent:
    agent = agents.recognise(signed_in, now=request.now)
    if agent is None:
        raise Http404
    return agent


def of_ministry(request: Request, signed_in: SignedIn) -> Agent:
    """An operator acts for no branch, and so has no role here."""
    if signed_in.person.operates:
        return Agent(signed_in, ())
    agent = of(request, signed_in)
    if not agent.serves_ministry:
        raise Http404
    return agent


def _used_at(request: Request, agent: Agent) -> datetime | None:
    """When this session last used the desk, as this browser was told; nobody else can have written it."""
    session_id, at, _ = cookies.DESK.read_signed(request, "desk") or (0, 0, False)
    return datetime.fromtimestamp(at, UTC) if session_id == agent.session.id else None
