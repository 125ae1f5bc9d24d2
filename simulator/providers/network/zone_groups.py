"""DNS zone groups: the A records that a private endpoint keeps in private DNS zones."""

from simulator.arm import Call, ResourceType
from simulator.cloud import Cloud, Resource
from simulator.errors import bad_request, network_body
from simulator.ids import address, parent_of
from simulator.messages import Json, Response
from simulator.providers.network import nrp
from simulator.providers.network.subnets import ENDPOINT
from simulator.providers.privatedns import ZONE, remove_managed_record, set_managed_record

ZONE_GROUP = f"{ENDPOINT}/privateDnsZoneGroups"

_TTL = 10
_PUBLIC_SUFFIX = {"vaultcore.azure.net": "vault.azure.net"}  # where it is not the zone without `privatelink.`


def _show_zone_group(call: Call, group: Resource) -> Json:
    etag = nrp.tag(call.cloud, group)
    shown = [_show_config(call, group, each, etag) for each in group.properties["privateDnsZoneConfigs"]]
    return nrp.view(call.cloud, group, {"privateDnsZoneConfigs": shown})


def _show_config(call: Call, group: Resource, config: Json, etag: str) -> Json:
    ready = group.provisioning == "Succeeded"
    return {
        "name": config["name"],
        "id": f"{group.id}/privateDnsZoneConfigs/{config['name']}",
        "etag": etag,
        "type": f"{ZONE_GROUP}/privateDnsZoneConfigs",
        "properties": {
            "provisioningState": group.provisioning,
            "privateDnsZoneId": config["privateDnsZoneId"],
            "recordSets": _record_sets(call.cloud, group, config) if ready else [],
        },
    }


def _record_sets(cloud: Cloud, group: Resource, config: Json) -> list[Json]:
    endpoint = cloud.get(parent_of(group.id))
    assert endpoint is not None  # a group goes with its endpoint
    zone = address(config["privateDnsZoneId"]).name
    return [
        {
            "recordType": "A",
            "recordSetName": name,
            "fqdn": f"{name}.{zone}",
            "ttl": _TTL,
            "ipAddresses": [endpoint.properties["address"]],
            "provisioningState": "Succeeded",
        }
        for name in _record_names(endpoint, zone)
    ]


def _record_names(endpoint: Resource, zone: str) -> list[str]:
    """The records that a zone gets for an endpoint: none, unless it is the zone of one of the endpoint's public names.

    https://learn.microsoft.com/azure/private-link/private-endpoint-dns lists which zone serves which public suffix.
    """
    suffix = zone.lower().removeprefix("privatelink.")
    suffix = f".{_PUBLIC_SUFFIX.get(suffix, suffix)}"
    return [fqdn.removesuffix(suffix) for fqdn in endpoint.properties["fqdns"] if fqdn.endswith(suffix)]


def _put_zone_group(call: Call) -> Response:
    nrp.guard(call)
    existing, endpoint = call.resource, call.parent()
    assert endpoint is not None  # the gateway has looked
    listed = nrp.list_of(nrp.properties_of(call.body()), "privateDnsZoneConfigs") or []
    configs = [_config(call, each) for each in listed]
    others = [each for each in call.cloud.children(endpoint.id, ZONE_GROUP) if each.key != call.id.lower()]
    if others:
        message = f"Private endpoint {endpoint.id} already has the private DNS zone group {others[0].name}."
        raise bad_request("PrivateEndpointCannotHaveMoreThanOnePrivateDnsZoneGroup", message)
    before = existing.properties["privateDnsZoneConfigs"] if existing is not None else []
    group = existing or call.cloud.put(Resource(call.display_id(), ZONE_GROUP))
    group.body["properties"] = {"privateDnsZoneConfigs": configs}

    def finish() -> None:
        kept = {each["privateDnsZoneId"].lower() for each in configs}
        withdraw(call.cloud, group, [each for each in before if each["privateDnsZoneId"].lower() not in kept])
        _publish(call.cloud, endpoint, group)

    return nrp.written(call, group, _show_zone_group, created=existing is None, finish=finish, retry_after=10)


def _config(call: Call, given: Json) -> Json:
    zone = nrp.reference(call, call.id, {"id": nrp.properties_of(given).get("privateDnsZoneId")}, ZONE)
    if zone is None or not given.get("name"):
        raise bad_request("InvalidRequestFormat", "A private DNS zone config needs a name and a privateDnsZoneId.")
    return {"name": given["name"], "privateDnsZoneId": zone["id"]}


def _publish(cloud: Cloud, endpoint: Resource, group: Resource) -> None:
    note = f"created by private endpoint {endpoint.name} with resource guid {endpoint.properties['resourceGuid']}"
    for config in group.properties["privateDnsZoneConfigs"]:
        for name in _record_names(endpoint, address(config["privateDnsZoneId"]).name):
            ip = endpoint.properties["address"]
            set_managed_record(cloud, config["privateDnsZoneId"], name, ip, ttl=_TTL, creator=note)


def withdraw(cloud: Cloud, group: Resource, configs: list[Json] | None = None) -> None:
    """Takes back the records of a group: of some of its configurations, or of all."""
    endpoint = cloud.get(parent_of(group.id))
    assert endpoint is not None  # a group goes with its endpoint
    for config in group.properties["privateDnsZoneConfigs"] if configs is None else configs:
        for name in _record_names(endpoint, address(config["privateDnsZoneId"]).name):
            remove_managed_record(cloud, config["privateDnsZoneId"], name, endpoint.properties["address"])


def _delete_zone_group(call: Call) -> Response:
    def finish(group: Resource) -> None:
        withdraw(call.cloud, group)
        call.cloud.remove(group.id)

    return nrp.deleted(call, check=lambda _: None, finish=finish)


TYPES = (
    ResourceType(
        name=ZONE_GROUP,
        api_versions=nrp.VERSIONS,
        get=nrp.get_child,
        put=_put_zone_group,
        delete=_delete_zone_group,
        render=_show_zone_group,
        error_body=network_body,
    ),
)
