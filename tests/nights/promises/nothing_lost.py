"""Nothing is lost: what the spec does not enforce stays as people left it."""

from collections.abc import Collection, Iterator

from tests.nights.evidence import Evidence
from tests.nights.place import WITHOUT_ETAG, Path, State
from tests.nights.trace import Changed


def nothing_unowned_is_touched_in_network_and_dns(evidence: Evidence) -> Iterator[str]:
    """In network and DNS resources Homeostat never changes or loses a value that the spec does not enforce."""
    for place, change in evidence.own_changes:
        mine = evidence.may_write(change.work, place)
        if (write := evidence.write_of(change)) and evidence.is_blind_creation(write):
            continue  # what it replaced is told (`no container is replaced in silence`)
        for (root, path), (old, new) in change.values.items():
            if path.startswith(WITHOUT_ETAG) or (root, path.lower()) in mine:
                continue
            if old is None and _comes_with(mine, evidence.state_at(place - 1), (root, path)):
                continue
            if evidence.is_rollback(change.work) and _was_ours(evidence, (root, path), place):
                continue  # of what was declared when Homeostat wrote it, or came with that
            yield f"{change.work} changed {path} of {root} from {old!r} to {new!r}"


def _comes_with(mine: Collection[Path], before: State, added: Path) -> bool:
    """Whether a value came from Azure itself, with something new that the spec had Homeostat create."""
    root, path = added
    own = f"{path.rpartition('/')[0]}/"
    is_new = not any(whose == root and each.startswith(own) for whose, each in before)
    return is_new and any(whose == root and each.startswith(own.lower()) for whose, each in mine)


def no_container_is_replaced_in_silence(evidence: Evidence) -> Iterator[str]:
    """If somebody created a container at the same moment as Homeostat, its loss is told once its event has arrived."""
    told = {alert.data.get("correlationId") for alert in evidence.alerts if "PossibleOverwrite" in alert.type}
    for place, change in evidence.own_changes:
        if not (write := evidence.write_of(change)) or not evidence.is_blind_creation(write):
            continue
        for path, (old, new) in change.values.items():
            lost = _last_foreign_write(evidence, path, place) if old is not None else None
            if lost and lost.correlation in evidence.told_correlations and lost.correlation not in told:
                yield f"{change.work} undid {lost.correlation} ({path}: {old!r} to {new!r}), and nobody was told"


def no_setting_is_lost_in_silence(evidence: Evidence) -> Iterator[str]:
    """If Homeostat overwrote somebody else's setting or flag, it tells PossibleOverwrite once the event has arrived."""
    told = {alert.data.get("correlationId") for alert in evidence.alerts if "PossibleOverwrite" in alert.type}
    for place, change in evidence.own_changes:
        mine = evidence.may_write(change.work, place)
        for path, (old, new) in change.values.items():
            if not path[1].startswith(WITHOUT_ETAG) or (path[0], path[1].lower()) in mine:
                continue
            if evidence.is_rollback(change.work) and _was_ours(evidence, path, place):
                continue  # of a setting that was declared when Homeostat wrote it, and is not now
            lost = _last_foreign_write(evidence, path, place)
            if lost is None:
                yield f"{change.work} changed {path} from {old!r} to {new!r}, and nobody had written it"
            elif lost.correlation in evidence.told_correlations and lost.correlation not in told:
                yield f"{change.work} undid {lost.correlation} ({path}: {old!r} to {new!r}), and nobody was told"


def _was_ours(evidence: Evidence, path: Path, before: int) -> bool:
    """Whether the value was Homeostat's own."""
    writes = _writes(evidence, path, before)
    return bool(writes) and bool(writes[-1].work)


def _last_foreign_write(evidence: Evidence, path: Path, before: int) -> Changed | None:
    writes = [each for each in _writes(evidence, path, before) if not each.work]
    return writes[-1] if writes else None


def _writes(evidence: Evidence, path: Path, before: int) -> list[Changed]:
    return [each for place, each in evidence.of(Changed) if place < before and path in each.values]
