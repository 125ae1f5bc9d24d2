"""The story, step by step. A step is told as done only once ARM has shown it; otherwise NotSeen is raised."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from demo import damage
from demo.damage import Damage, Seen
from demo.narrator import YELLOW, Narrator
from demo.operator import NotSeen, Operator, Refused, http, until
from demo.programs import SETTLE_SECONDS, SPEC, FunctionApp, function_app, homeostat, simulator

TARGET: Final = "app-flask"
SUBSCRIPTION: Final = "Microsoft.EventGrid/eventSubscriptions/homeostat"
ROLE: Final = "infra/role.json"
WRITES: Final = frozenset({"PUT", "PATCH", "DELETE"})


def tell(narrator: Narrator) -> None:
    """Tells the whole story. Raises NotSeen, Refused and ProgramFailed, whose messages say what went wrong."""
    began = time.monotonic()
    with simulator("--role", ROLE) as cloud:
        operator = Operator.of(cloud)
        narrator.calm(
            "A simulated Azure is up: the web app app-flask reaches SQL, Redis and Key Vault through private paths,\n"
            f"as {SPEC} declares. Every change below is made through ARM, and checked there."
        )
        missed = _only_watching(narrator, operator, cloud)
        with function_app(cloud) as app:
            scene = Scene(narrator, operator, app)
            _lost_event(scene, missed)
            with events_to(scene):
                _healed_by_events(scene)
            _forced(scene)
        _nothing_left(narrator, cloud)
    narrator.end(f"All {narrator.steps} steps were seen through ARM, in {time.monotonic() - began:.0f} s.")


@dataclass(frozen=True, slots=True)
class Scene:
    """A running function app, and what can be looked up about it."""

    narrator: Narrator
    operator: Operator
    app: FunctionApp

    def alerts(self, kind: str = "") -> list[Mapping[str, Any]]:
        """The alerts that the Event Grid topic received, oldest first, of one kind of drift if given."""
        events = [alert["event"] for alert in self.operator.simulator("GET", "alerts")]
        return [event for event in events if not kind or event["data"].get("kind") == kind]

    def forget(self) -> None:
        """Clears what the simulator has noted so far."""
        for what in ("alerts", "requests", "deliveries"):
            self.operator.simulator("DELETE", what)

    def writes(self) -> list[Mapping[str, Any]]:
        """The writes of Homeostat's identity."""
        requests = self.operator.simulator("GET", "requests")
        return [each for each in requests if each["caller"] == "id-homeostat" and each["method"] in WRITES]

    def call(self, function: str, body: Any = None, **route: str) -> Any:
        """The answer of an HTTP function. Raises Refused."""
        url = self.app.urls[function]
        for name, value in route.items():
            url = url.replace(f"{{{name}}}", value)
        status, answer = http("GET" if body is None else "POST", url, body)
        if status >= 400:
            raise Refused(f"{function} answered {status}: {answer}")
        return answer

    def ledger(self, root: str) -> Mapping[str, Any]:
        """The newest entry about a root."""
        entries = self.call("history", name=TARGET)["entries"]
        return next((entry for entry in entries if entry["root"].lower().endswith(root.lower())), {})


@dataclass(frozen=True, slots=True)
class Broken:
    """Damage that was done at `since`, and what ARM showed before."""

    damage: Damage
    whole: Seen
    since: float

    def is_seen(self, operator: Operator) -> bool:
        return self.damage.look(operator) != self.whole


# --- chapters ---


def _only_watching(narrator: Narrator, operator: Operator, cloud: Mapping[str, str]) -> Broken:
    narrator.chapter("Mode alert: Homeostat may look, and must not touch")
    with function_app(cloud, HOMEOSTAT_MODE="alert") as app:
        scene = Scene(narrator, operator, app)
        with events_to(scene):
            broken = _break(scene, damage.link_deleted())
            until(lambda: bool(scene.alerts(broken.damage.kind)), "an alert")
            _show_events(scene)
            _show_drift(scene, broken)
            narrator.fact("alert", ", ".join(alert["type"] for alert in scene.alerts()))
            if scene.writes() or not broken.is_seen(operator):
                raise NotSeen(f"mode alert to keep its hands off; it wrote {scene.writes()}")
            narrator.fact("written", "nothing, and the link is still gone", YELLOW)
            return broken


def _lost_event(scene: Scene, missed: Broken) -> None:
    scene.narrator.chapter("Mode enforce: the function app starts anew, and knows nothing of what it missed")
    scene.narrator.step("Nobody tells it: that event was lost. The nightly timer looks at everything.")
    scene.forget()
    if not missed.is_seen(scene.operator):
        raise NotSeen("the damage to stay until somebody repairs it")
    scene.call("nightly_reconcile", {"input": ""})
    _show_healed(scene, replace(missed, since=time.monotonic()), "after the timer")


def _healed_by_events(scene: Scene) -> None:
    scene.narrator.chapter("Events flow: what somebody breaks is repaired without anyone asking")
    scene.narrator.calm(f"It waits {SETTLE_SECONDS} s after the last change, so as not to fight a deployment.")
    for each in (
        damage.rule_deleted(),
        damage.setting_changed(),
        damage.integration_removed(),
        damage.link_deleted(),
        damage.priorities_swapped(),
    ):
        _show_healed(scene, _break(scene, each))
        if each.kind == "app_settings":
            _show_neighbour(scene)


def _forced(scene: Scene) -> None:
    scene.narrator.chapter("No events at all: a person asks by HTTP")
    broken = _break(scene, damage.rule_deleted())
    body = {"targets": [TARGET], "wait": True, "reason": "the demo asks"}
    run = scene.call("remediate", body)
    scene.narrator.fact("answer", f"POST /api/remediate: {run['status']}, {len(run['roots'])} roots looked at")
    _show_healed(scene, broken)


def _nothing_left(narrator: Narrator, cloud: Mapping[str, str]) -> None:
    narrator.chapter("At the end")
    narrator.step(f"python -m homeostat plan {SPEC} --detailed-exitcode")
    plan = homeostat(["plan", SPEC, "--detailed-exitcode"], cloud)
    if plan.returncode != 0:
        raise NotSeen(f"an empty plan; exit code {plan.returncode}:\n{plan.stdout}{plan.stderr}")
    narrator.fact("plan", plan.stdout.strip().rpartition("\n")[2])
    narrator.good("exit code", "0: everything is as declared")


# --- what every step is made of ---


@contextmanager
def events_to(scene: Scene) -> Iterator[None]:
    """An Event Grid subscription that delivers the resource group's changes to the function app."""
    wanted = ["Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess"]
    webhook = {"endpointType": "WebHook", "properties": {"endpointUrl": scene.app.urls["on_resource_event"]}}
    properties = {
        "destination": webhook,
        "filter": {"includedEventTypes": wanted},
        "eventDeliverySchema": "EventGridSchema",
    }
    scene.operator.put(SUBSCRIPTION, {"properties": properties})
    until(lambda: _is_subscribed(scene.operator), "Event Grid to shake hands with the webhook")
    yield
    scene.operator.delete(SUBSCRIPTION)


def _is_subscribed(operator: Operator) -> bool:
    found = operator.get(SUBSCRIPTION)
    return found is not None and found["properties"]["provisioningState"] == "Succeeded"


def _break(scene: Scene, damage_: Damage) -> Broken:
    """Does the damage, and checks it through ARM."""
    scene.narrator.step(damage_.title)
    scene.forget()
    whole = damage_.look(scene.operator)
    damage_.do(scene.operator)
    broken = Broken(damage_, whole, time.monotonic())
    if not broken.is_seen(scene.operator):
        raise NotSeen(f"the damage itself; ARM shows {damage_.look(scene.operator)}")
    return broken


def _show_healed(scene: Scene, broken: Broken, after: str = "after the damage") -> None:
    """Waits until ARM shows the repaired state and the alerts have arrived, and tells it."""
    until(lambda: not broken.is_seen(scene.operator), f"this to be healed: {broken.damage.title}")
    took = time.monotonic() - broken.since
    until(lambda: _told(scene, broken) >= {"DriftDetected", "Remediated"}, "the alerts of the repair")
    _show_events(scene)
    _show_drift(scene, broken)
    for write in scene.writes():
        resource = "/".join(write["path"].partition("?")[0].split("/")[-2:])
        scene.narrator.fact("write", f"{write['method']} {resource}: {write['status']}")
    entry = scene.ledger(broken.damage.root)
    scene.narrator.fact("verified", f"read again and in order; reads, write and verification took {entry['tookMs']} ms")
    scene.narrator.fact("alerts", ", ".join(sorted(_told(scene, broken))))
    scene.narrator.good("healed", f"{took * 1000:.0f} ms {after}, as the operator sees it in ARM")


def _told(scene: Scene, broken: Broken) -> set[str]:
    return {alert["type"].split(".")[1] for alert in scene.alerts(broken.damage.kind)}


def _show_events(scene: Scene) -> None:
    delivered = [each for each in scene.operator.simulator("GET", "deliveries") if each["outcome"] == "202"]
    if delivered:
        scene.narrator.fact("event", f"delivered to on_resource_event, {len(delivered)} in all")


def _show_drift(scene: Scene, broken: Broken) -> None:
    entry = scene.ledger(broken.damage.root)
    for drift in entry["drifts"] or _repaired(entry):
        where = f"{drift['resource'].rpartition('/')[2]} {drift['path'].rpartition('/')[2]}".strip()
        scene.narrator.fact("drift", f"{drift['kind']}: {where} is {_value(drift, 'have')}{_declared(drift)}")


def _repaired(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [drift for action in entry["written"] for drift in action["repairs"]]


def _declared(drift: Mapping[str, Any]) -> str:
    return "" if isinstance(drift.get("want"), Mapping) else f", declared is {_value(drift, 'want')}"


def _value(drift: Mapping[str, Any], side: str) -> str:
    """A value of a drift, as text. A resource is shown by its name."""
    return str(drift[side]).rpartition("/")[2] if side in drift else "gone"


def _show_neighbour(scene: Scene) -> None:
    value = damage.extra_setting(scene.operator)
    if value != "theirs":
        raise NotSeen(f"EXTRA_SETTING, which nobody declares, to keep its owner's value; it is {value!r}")
    scene.narrator.fact("unowned", "EXTRA_SETTING keeps the value that they gave it")
