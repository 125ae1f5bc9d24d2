"""What many roots ask of ARM is read once, and kept only where another root may ask for it."""

import asyncio
import weakref
from collections import UserDict
from dataclasses import dataclass, field

import pytest

from homeostat.core.arm_types import NETWORK_SECURITY_GROUP, SITE, SITE_CONFIG, SLOT_CONFIG, ArmType
from homeostat.core.ids import ResourceId
from homeostat.core.json import Json
from homeostat.core.model import Found, Read
from homeostat.sweeps.reads import SharedReads

pytestmark = pytest.mark.unit


def read_of(type_: ArmType, *names: str) -> Read:
    return Read(type_, ResourceId.of("0000", "rg-shop", type_.name, *names))


NSG = read_of(NETWORK_SECURITY_GROUP, "nsg-shop")
APP = read_of(SITE, "shop")
SETTINGS = read_of(SITE_CONFIG, "shop", "appsettings")
SETTINGS_OF_SLOT = read_of(SLOT_CONFIG, "shop", "staging", "appsettings")


@dataclass(slots=True)
class Bodies:
    """An ARM that answers with a body of its own each time, and knows which of them somebody still has."""

    asked: list[Read] = field(default_factory=list)
    given: list["weakref.ref[UserDict[str, Json]]"] = field(default_factory=list)

    async def read(self, read: Read) -> Found:
        self.asked.append(read)
        body: UserDict[str, Json] = UserDict(properties={})
        self.given.append(weakref.ref(body))
        await asyncio.sleep(0)
        return Found(body)

    @property
    def kept(self) -> int:
        return sum(body() is not None for body in self.given)


async def test_what_several_roots_ask_for_is_read_once_and_kept_for_those_that_ask_later() -> None:
    arm = Bodies()
    shared = SharedReads(arm)
    await asyncio.gather(*(shared.read(NSG) for _ in range(3)))
    await shared.read(NSG)
    assert (arm.asked, arm.kept, shared.calls) == ([NSG], 1, 1)


@pytest.mark.parametrize("own", [APP, SETTINGS, SETTINGS_OF_SLOT], ids=lambda read: read.id.short)
async def test_what_only_a_web_app_itself_asks_for_is_let_go_of_when_it_is_judged(own: Read) -> None:
    arm = Bodies()
    shared = SharedReads(arm)
    fact = await shared.read(own)
    assert (arm.asked, arm.kept) == ([own], 1)
    del fact
    assert (arm.kept, shared.calls) == (0, 1)
