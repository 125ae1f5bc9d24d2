"""A stand in two clouds: one loop, one store and one transport, behind which the public cloud and Government are.

The second is reached as in Azure: its variables say where it is and who we are there, and azure-identity's own
credential asks its authority for a token.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import jwt
from azure.core.rest import HttpRequest

from homeostat.allowances import SharedAllowance
from homeostat.azure.arm import Arm, arm_over, routed
from homeostat.azure.credentials import further_credential
from homeostat.azure.placement import VARIABLE, placement_of
from homeostat.azure.retry import Limits
from homeostat.core.budget import DEFAULT_SHARE_LEFT
from homeostat.fleet.selections import Selections
from homeostat.fleet.specs import DesiredState
from remediators import REGISTRY
from simulator import identity, worlds
from simulator.exchange import Exchanger
from simulator.places import GOVERNMENT
from simulator.transport import CloudCredential, CloudsTransport
from tests.loop.stand import SPEC, Stand, stand
from tests.support.role import ROLE

ENVIRONMENT: Mapping[str, str] = {
    VARIABLE: f"AzureUSGovernment={GOVERNMENT.subscription},{GOVERNMENT.tenant}",
    "AZUREUSGOVERNMENT_TENANT_ID": GOVERNMENT.tenant,
    "AZUREUSGOVERNMENT_CLIENT_ID": GOVERNMENT.application.app_id,
    "AZUREUSGOVERNMENT_CLIENT_SECRET": identity.CLIENT_SECRET,
}


def of_government(spec: str) -> str:
    """A document of the public cloud, as one of Government's subscription."""
    for public, here in GOVERNMENT.names.items():
        spec = spec.replace(public, here)
    return spec.replace("target: app-flask", f"target: app-gov\nsubscription: {GOVERNMENT.subscription}")


BOTH = f"{SPEC}---{of_government(SPEC)}"


class Listening(CloudsTransport):
    """Remembers which tenant's token was sent to which host."""

    def __init__(self, exchangers: Iterable[Exchanger]) -> None:
        super().__init__(exchangers)
        self.sent: set[tuple[str, str]] = set()

    async def send(self, request: HttpRequest, **options: Any) -> Any:
        if token := request.headers.get("Authorization", "").removeprefix("Bearer "):
            claims = jwt.decode(token, options={"verify_signature": False})
            self.sent.add((request.url.split("/")[2], claims["tid"]))
        return await super().send(request, **options)


@dataclass(slots=True)
class TwoClouds:
    """home, government: the same stand, as seen by an operator of the one cloud and of the other."""

    home: Stand
    government: Stand
    transport: Listening
    arm: Arm
    environment: Mapping[str, str] = field(default_factory=dict)

    async def sweep(self) -> None:
        await self.home.sweep()
        await self.home.work_for(timedelta(minutes=5))


def two_clouds(spec: str = BOTH, environment: Mapping[str, str] = ENVIRONMENT) -> TwoClouds:
    made = stand(spec=spec)
    clock = made.exchanger.clock
    cloud = worlds.create("guide", now=made.ambient.now(), place=GOVERNMENT)
    cloud.role = ROLE
    exchanger = Exchanger(cloud, clock)
    transport = Listening((made.exchanger, exchanger))
    placement, limits = placement_of(environment), Limits(attempts=2, unknown=1)
    (further,) = placement.further
    home = arm_over(transport, CloudCredential(made.cloud, clock), placement.home, made.ambient, limits=limits)
    there = arm_over(
        transport, further_credential(further, environment, transport), further, made.ambient, limits=limits
    )
    arm = routed(home, [there], placement)
    shared = arm.sharing(SharedAllowance(made.memory.documents, made.ambient, DEFAULT_SHARE_LEFT))
    engine = replace(made.engine, reader=arm.reader, writer=arm.writer, deployments=arm.reader, changes=shared.changes)
    selections = Selections(shared.table, arm.reader, made.memory.blobs, made.ambient)
    desired = DesiredState(made.specs, REGISTRY, made.ambient, made.cloud.subscription, selections=selections)
    access = replace(made.service.sweep_access, reader=shared.reader, table=shared.table)
    service = replace(made.service, engine=engine, desired=desired, identity=arm.identity, sweep_access=access)
    whole = replace(made, transport=transport, arm=arm, engine=engine, service=service)
    return TwoClouds(whole, replace(whole, cloud=cloud, exchanger=exchanger), transport, arm, environment)
