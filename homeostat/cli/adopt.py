"""`adopt`: the spec of a live web app, to stdout or a file."""

import argparse
import asyncio
import re
from collections.abc import Mapping

from homeostat import config
from homeostat.adopt.adoption import Adoption, adopt
from homeostat.ambient import SystemAmbient
from homeostat.azure.arm import open_arm
from homeostat.bootstrap import standalone_over
from homeostat.cli import output
from homeostat.cli.options import path
from homeostat.cli.output import progress
from homeostat.core.arm_types import SITE, SLOT
from homeostat.core.errors import HomeostatError
from homeostat.core.ids import ResourceId
from homeostat.render.words import counted

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WEB_APP = re.compile(r"[A-Za-z0-9-]{2,60}(/[A-Za-z0-9-]{1,59})?")


class NotNamed(HomeostatError):
    """The command line does not say which web app is meant, or says it wrongly."""


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("-g", "--resource-group", required=True, metavar="RG", help="the web app's resource group")
    command.add_argument("-n", "--web-app", required=True, metavar="NAME", help="the web app, or NAME/SLOT")
    command.add_argument("--subscription", metavar="ID", help="its subscription (default: AZURE_SUBSCRIPTION_ID)")
    command.add_argument("--out", type=path, metavar="FILE", help="write it there, all at once, and not to stdout")


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """0 with the spec. Its comments say what it leaves out; what could not be read is also on stderr.

    Raises NotNamed, NoWebApp, CannotAdopt and CannotWrite.
    """
    subscription = options.subscription or config.subscription_in(environment)
    web_app = _web_app(options.web_app, options.resource_group, subscription)
    output.refuse_no_place(options.out)
    progress(f"reading {options.web_app} and what it depends on ...")
    adoption = asyncio.run(_adopt(web_app, environment))
    for line in adoption.unread:
        output.say(f"could not be read, and is not declared: {line}")
    if options.out is None:
        output.data(adoption.text)
    else:
        output.write_file(options.out, adoption.text)
        left_out = counted(len(adoption.left_out), "thing")
        words = f"left out: {left_out}, which its first lines name" if adoption.left_out else "nothing was left out"
        output.say(f"written to {options.out}; {words}")
    return 0


def _web_app(name: str, group: str, subscription: str) -> ResourceId:
    if not _GUID.fullmatch(subscription):
        raise NotNamed(f"{subscription!r} is no subscription's id: give --subscription, or set AZURE_SUBSCRIPTION_ID")
    if not _WEB_APP.fullmatch(name):
        raise NotNamed(f"{name!r} names no web app: give NAME, or NAME/SLOT for a deployment slot")
    app, *slot = name.split("/")
    return ResourceId.of(subscription, group, SLOT.name if slot else SITE.name, app, *slot)


async def _adopt(web_app: ResourceId, environment: Mapping[str, str]) -> Adoption:
    ambient = SystemAmbient()
    async with open_arm(environment, ambient) as arm:
        return await adopt(web_app, standalone_over(arm, ambient), arm.reader)
