"""A local Azure: Azure Resource Manager, managed identity and the providers that a web app's network posture needs.

Everything is one function, `simulator.gateway.handle(cloud, request, now) -> Response`, over a `Cloud` state object. It
has no clock, no I/O and no randomness but the Cloud's seeded generator, so the same code runs under a TLS server
(`simulator.server`) and inside a test's event loop (`simulator.transport`), on real or virtual time. Nothing here is
shipped, and nothing here knows Homeostat.

**Writing a provider.** A module in `simulator/providers` exposes `TYPES`, a tuple of `ResourceType`, and optionally
`FUNCTIONS` for URLs that are not a resource. Its name is in `providers.MODULES`. When a handler runs, the gateway has
checked token, role, api-version, locks, the resource group and the parent; it writes the activity record after::

    def put(call: Call) -> Response:
        thing = Resource(call.display_id(), THING, call.body())      # the body is fresh JSON, keep it
        existing = call.resource
        call.cloud.put(thing)                                         # or change in place and call.cloud.touch()
        return Response.json(200 if existing else 201, shown(call, thing))

    TYPES = (ResourceType(name="Contoso.Things/things", api_versions=("2024-01-01", "2020-01-01"),
                          put=put, delete=remove, render=render, tracked=True),)

- `get` and `list` default to the stored resources shown by `render(call, resource)`; `call.api_version >= "2024-01-01"`
  is how shapes depend on versions. Dates between the oldest and the newest listed version are all accepted.
- A POST is an `Action` of the type that it is posted to: `.../sites/x/config/appsettings/list` is the action `list` of
  `Microsoft.Web/sites/config`. A URL such as `.../locations/L/availableDelegations` is a `Function`.
- Refusals are raised: `raise ArmError(409, "Conflict", "...")`; the type's `error_body` (`web_body` for Microsoft.Web)
  gives them their shape. `gateway=True` makes it ARM's own.
- Long-running: `headers = call.accept(PROTOCOL, location=..., finish=..., root=...)`, then answer with these headers.
  `PROTOCOL` is an `operations.Protocol`: URL templates, statuses, Retry-After. Set `resource.provisioning = "Updating"`
  before and `"Succeeded"` in `finish(at)`; with the default duration of 0 it has finished when the first poll arrives.
- `private_link=` makes a type a target of private endpoints: see `arm.PrivateLinkTarget`.
- Microsoft.Web joins an app to a subnet by `providers.network.join_app_service(call, subnet_id, plan_id, app_id)`: it
  checks the delegation and keeps the service association link. `leave_app_service(cloud, subnet_id, app_id)` undoes it.
- `cloud.extras["name"]` holds what is no ARM resource (keys, deliveries).

**Quotas.** With `cloud.throttling.on` (`--throttle`) requests are counted on ARM's token buckets and its providers'
own. Answers say what is left, and requests beyond a quota are refused: see `simulator.throttling`. `simulator.virtual`
has an event loop on which an hour of waiting takes no time.

**Following what happens.** `cloud.activities` is append-only: `since(cursor)` reads, `subscribe(wake)` wakes. Because
long operations end only when a Cloud is told the time, whoever pushes events also calls `cloud.advance(now)` at
`cloud.next_due()`. `simulator/delivery.py` exposes `async def run(cloud: Cloud, clock: Clock) -> None` (see
`simulator.clock`), which the server runs beside itself until it is cancelled.
"""
