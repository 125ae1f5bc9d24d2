"""Every URL of Microsoft.Web that is served, and by what."""

from simulator.arm import Action, Function, ResourceType
from simulator.errors import web_body
from simulator.providers import private_link
from simulator.providers.web import account, config, integration, plans, references, sites, slots
from simulator.providers.web.shape import host_names
from simulator.providers.web.state import PLANS, SITES, SLOTS, Site

_VERSIONS = ("2025-05-01", "2018-02-01")

_SITE_ACTIONS = {
    "restart": Action(sites.restart),
    "start": Action(sites.start),
    "stop": Action(sites.stop),
    "publishxml": Action(account.publishing_profile),
    "slotsswap": Action(slots.swap),
    "applyslotconfig": Action(slots.apply_config),
    "resetslotconfig": Action(slots.reset_config),
}

_LINK = private_link.Target(
    type=SITES,
    hosts=lambda app: {"sites": host_names(Site(app))},
    zone="privatelink.azurewebsites.net",
)


def _below(site: str) -> tuple[ResourceType, ...]:
    """What lies below a site, and in the same way below a slot."""
    return (
        ResourceType(
            name=f"{site}/config",
            api_versions=_VERSIONS,
            get=config.get,
            put=config.put,
            patch=config.patch,
            list=config.listing,
            actions={"list": Action(config.read_dictionary)},
            error_body=web_body,
        ),
        ResourceType(
            name=f"{site}/config/appsettings",
            api_versions=_VERSIONS,
            get=references.get,
            list=references.listing,
            parent_checked=False,  # its parent is the word configreferences
            error_body=web_body,
        ),
        ResourceType(
            name=f"{site}/networkConfig",
            api_versions=_VERSIONS,
            get=integration.get,
            put=integration.put,
            patch=integration.put,
            delete=integration.delete,
            error_body=web_body,
        ),
        ResourceType(
            name=f"{site}/virtualNetworkConnections",
            api_versions=_VERSIONS,
            get=integration.connection,
            list=integration.connections,
            error_body=web_body,
        ),
    )


def _site(name: str, *, tracked: bool) -> ResourceType:
    return ResourceType(
        name=name,
        api_versions=_VERSIONS,
        get=sites.get,
        put=sites.put,
        patch=sites.patch,
        delete=sites.delete,
        actions=_SITE_ACTIONS,
        render=sites.render,
        error_body=web_body,
        tracked=tracked,
        private_link=_LINK if tracked else None,
    )


TYPES = (
    ResourceType(
        name=PLANS,
        api_versions=_VERSIONS,
        get=plans.get,
        put=plans.put,
        patch=plans.patch,
        delete=plans.delete,
        render=plans.render,
        error_body=web_body,
        tracked=True,
    ),
    _site(SITES, tracked=True),
    _site(SLOTS, tracked=False),
    *_below(SITES),
    *_below(SLOTS),
    *_LINK.types(_VERSIONS, error_body=web_body),
)

FUNCTIONS = (
    Function("POST", "Microsoft.Web/checknameavailability", account.check_name),
    Function("GET", "Microsoft.Web/webAppStacks", account.stacks),
)
