"""Nothing is lost: what is nobody's business but a person's stays as that person left it."""

from collections.abc import Iterator

from tests.nights.evidence import Evidence
from tests.nights.place import Path
from tests.nights.trace import Changed


def nothing_unowned_is_touched_in_network_and_dns(evidence: Evidence) -> Iterator[str]:
    """In network and DNS no value is ever changed or lost by Homeostat that the spec does not enforce."""
    for place, change in evidence.own_changes:
        mine = evidence.may_write(change.work, place)
        for (root, path), (old, new) in change.values.items():
            if path.startswith("settings/") or (root, path.lower()) in mine:
                continue
            yield f"{change.work} changed {path} of {root} from {old!r} to {new!r}"


def no_setting_is_lost_in_silence(evidence: Evidence) -> Iterator[str]:
    """A setting of somebody else's that Homeostat overwrote is told as PossibleOverwrite, once its event arrived."""
    told = {alert.data.get("correlationId") for alert in evidence.alerts if "PossibleOverwrite" in alert.type}
    for place, change in evidence.own_changes:
        mine = evidence.may_write(change.work, place)
        for path, (old, new) in change.values.items():
            if not path[1].startswith("settings/") or (path[0], path[1].lower()) in mine:
                continue
            lost = _last_foreign_write(evidence, path, place)
            if lost is None:
                yield f"{change.work} changed {path} from {old!r} to {new!r}, and nobody had written it"
            elif lost.correlation in evidence.told_correlations and lost.correlation not in told:
                yield f"{change.work} undid {lost.correlation} ({path}: {old!r} to {new!r}), and nobody was told"


def _last_foreign_write(evidence: Evidence, path: Path, before: int) -> Changed | None:
    writes = [each for place, each in evidence.of(Changed) if place < before and not each.work and path in each.values]
    return writes[-1] if writes else None
