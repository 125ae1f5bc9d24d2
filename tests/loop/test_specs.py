"""The fleet in force: picked up when it changes, and kept when a change is wrong."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from homeostat.core.source import SpecError
from homeostat.fleet.specs import CHECK_EVERY, DesiredState, SpecBlobs, SpecFiles
from homeostat.memory import MemoryStorage
from homeostat.ports.storage import Blob, BlobInfo, StorageUnavailable
from remediators import REGISTRY
from simulator.virtual import LoopAmbient, VirtualLoop, run_on
from tests.azure.scripted import SUBSCRIPTION, VirtualAmbient
from tests.loop.stand import SPEC, Texts

pytestmark = pytest.mark.unit

OTHER = SPEC.replace("target: app-flask", "target: app-other").replace("web_app: app-flask", "web_app: app-other")
WRONG = SPEC.replace("mode: enforce", "mode: sometimes")


def desired(source: Texts) -> tuple[DesiredState, VirtualAmbient]:
    ambient = VirtualAmbient()
    return DesiredState(source, REGISTRY, ambient, SUBSCRIPTION), ambient


async def targets(of: DesiredState) -> list[str]:
    return list((await of.fleet()).targets)


async def test_the_specs_are_asked_for_at_most_every_half_minute() -> None:
    source = Texts({"a.yaml": SPEC})
    wanted, ambient = desired(source)
    for _ in range(10):
        await wanted.fleet()
    assert source.asked == 1
    ambient.time += CHECK_EVERY
    await wanted.fleet()
    assert source.asked == 2


async def test_a_changed_spec_comes_into_force() -> None:
    source = Texts({"a.yaml": SPEC})
    wanted, ambient = desired(source)
    assert await targets(wanted) == ["app-flask"]
    source.by_name["b.yaml"] = OTHER
    assert await targets(wanted) == ["app-flask"]
    ambient.time += CHECK_EVERY
    assert await targets(wanted) == ["app-flask", "app-other"]


async def test_an_unchanged_spec_is_not_parsed_again() -> None:
    wanted, ambient = desired(Texts({"a.yaml": SPEC}))
    first = await wanted.fleet()
    ambient.time += CHECK_EVERY
    assert await wanted.fleet() is first


async def test_a_wrong_change_leaves_the_last_good_fleet_in_force_and_is_told_until_it_is_mended() -> None:
    source = Texts({"a.yaml": SPEC})
    wanted, ambient = desired(source)
    good = await wanted.fleet()
    source.by_name["a.yaml"] = WRONG
    for _ in range(3):
        ambient.time += CHECK_EVERY
        assert await wanted.fleet() is good
        assert "a.yaml:" in wanted.problem
    source.by_name["a.yaml"] = OTHER
    ambient.time += CHECK_EVERY
    assert await targets(wanted) == ["app-other"]
    assert wanted.problem == ""


async def test_a_wrong_change_that_is_taken_back_is_a_problem_no_more() -> None:
    source = Texts({"a.yaml": SPEC})
    wanted, ambient = desired(source)
    await wanted.fleet()
    source.by_name["a.yaml"] = WRONG
    ambient.time += CHECK_EVERY
    await wanted.fleet()
    source.by_name["a.yaml"] = SPEC
    ambient.time += CHECK_EVERY
    assert await targets(wanted) == ["app-flask"]
    assert wanted.problem == ""


async def test_without_any_good_fleet_the_problem_is_raised_each_time_until_it_is_mended() -> None:
    source = Texts({"a.yaml": WRONG})
    wanted, _ = desired(source)
    for _ in range(2):
        with pytest.raises(SpecError, match="mode"):
            await wanted.fleet()
    source.by_name["a.yaml"] = SPEC
    assert await targets(wanted) == ["app-flask"]


async def test_a_store_that_is_down_for_a_while_changes_nothing_and_is_told() -> None:
    class Flaky(Texts):
        down = False

        async def versions(self) -> Mapping[str, str]:
            if Flaky.down:
                raise StorageUnavailable("no answer")
            return await super().versions()

    wanted, ambient = desired(Flaky({"a.yaml": SPEC}))
    good = await wanted.fleet()
    Flaky.down = True
    ambient.time += CHECK_EVERY
    assert await wanted.fleet() is good
    assert wanted.problem == "no answer"
    Flaky.down = False
    ambient.time += CHECK_EVERY
    assert await wanted.fleet() is good
    assert wanted.problem == ""


# --- files ---


async def test_a_folder_is_read_with_its_subfolders_and_only_for_yaml(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.yaml", "a.yml", "deep/c.yaml", "readme.md", ".yaml"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    texts = await SpecFiles((tmp_path,)).texts()
    assert sorted(texts.values()) == ["a.yml", "b.yaml", "deep/c.yaml"]


async def test_a_named_file_is_read_whatever_its_name_and_once(tmp_path: Path) -> None:
    file = tmp_path / "spec.txt"
    file.write_text("\ufefftext", encoding="utf-8")
    assert await SpecFiles((file, file)).texts() == {str(file): "text"}


async def test_a_file_that_is_written_anew_is_another_version(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("one", encoding="utf-8")
    source = SpecFiles((tmp_path,))
    before = await source.versions()
    assert await source.versions() == before
    file.write_text("other", encoding="utf-8")
    changed = await source.versions()
    (tmp_path / "b.yaml").write_text("", encoding="utf-8")
    assert changed != before
    assert set(await source.versions()) == {*changed, str(tmp_path / "b.yaml")}


async def test_a_folder_without_a_spec_is_named_and_is_no_fleet_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no spec\. Put one there"):
        await SpecFiles((tmp_path,)).versions()


async def test_a_path_that_is_not_there_and_a_file_that_is_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere.*no such file"):
        await SpecFiles((tmp_path / "nowhere",)).texts()
    (tmp_path / "a.yaml").write_bytes(b"target: \xff")
    with pytest.raises(SpecError, match=r"a\.yaml.*not UTF-8"):
        await SpecFiles((tmp_path,)).texts()


# --- blobs ---


def blobs() -> tuple[MemoryStorage, SpecBlobs]:
    memory = MemoryStorage(VirtualAmbient().now)
    return memory, SpecBlobs(memory.blobs, "specs")


async def test_an_uploaded_blob_comes_into_force_within_half_a_minute() -> None:
    memory, source = blobs()
    await memory.blobs.write("specs", "a.yaml", SPEC.encode())
    await memory.blobs.write("specs", "notes.txt", b"\xff")
    ambient = VirtualAmbient()
    wanted = DesiredState(source, REGISTRY, ambient, SUBSCRIPTION)
    assert await targets(wanted) == ["app-flask"]
    await memory.blobs.write("specs", "team/b.yaml", OTHER.encode())
    ambient.time += timedelta(seconds=30)
    assert await targets(wanted) == ["app-flask", "app-other"]


async def test_equal_text_that_is_uploaded_again_is_another_version() -> None:
    memory, source = blobs()
    versions = []
    for _ in range(2):
        await memory.blobs.write("specs", "a.yaml", SPEC.encode())
        versions.append((await source.versions())["a.yaml"])
    assert versions[0] != versions[1]


async def test_a_blob_that_vanishes_between_listing_and_reading_is_left_out() -> None:
    memory, _ = blobs()
    await memory.blobs.write("specs", "a.yaml", SPEC.encode())

    class Vanishing:
        read = memory.blobs.read
        write = memory.blobs.write
        delete = memory.blobs.delete

        async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
            async for info in memory.blobs.list(container, prefix):
                yield info
            yield BlobInfo("gone.yaml", 1, "v", VirtualAmbient().now())

    source = SpecBlobs(Vanishing(), "specs")
    assert await source.texts(await source.versions()) == {"a.yaml": SPEC}


async def test_a_container_that_is_emptied_takes_nothing_out_of_force() -> None:
    memory, source = blobs()
    ambient = VirtualAmbient()
    wanted = DesiredState(source, REGISTRY, ambient, SUBSCRIPTION)
    with pytest.raises(SpecError, match=r"^container specs:1: there is no spec"):
        await wanted.fleet()
    await memory.blobs.write("specs", "a.yaml", SPEC.encode())
    assert await targets(wanted) == ["app-flask"]
    await memory.blobs.delete("specs", "a.yaml")
    ambient.time += CHECK_EVERY
    assert await targets(wanted) == ["app-flask"]
    assert "there is no spec" in wanted.problem


async def test_only_blobs_that_changed_are_downloaded_again() -> None:
    memory, source = blobs()
    for number in range(50):
        name = f"app-{number}"
        text = SPEC.replace("target: app-flask", f"target: {name}").replace("web_app: app-flask", f"web_app: {name}")
        await memory.blobs.write("specs", f"{name}.yaml", text.encode())
    downloads: list[str] = []

    class Counting:
        write = memory.blobs.write
        delete = memory.blobs.delete
        list = memory.blobs.list

        async def read(self, container: str, name: str) -> Blob | None:
            downloads.append(name)
            return await memory.blobs.read(container, name)

    ambient = VirtualAmbient()
    wanted = DesiredState(SpecBlobs(Counting(), source.container), REGISTRY, ambient, SUBSCRIPTION)
    assert len(await targets(wanted)) == len(downloads) == 50
    await memory.blobs.write("specs", "b.yaml", OTHER.encode())
    ambient.time += CHECK_EVERY
    assert len(await targets(wanted)) == 51
    assert downloads[50:] == ["b.yaml"]


async def test_a_blob_that_is_deleted_takes_its_target_with_it() -> None:
    source = Texts({"a.yaml": SPEC, "b.yaml": OTHER})
    wanted, ambient = desired(source)
    assert len(await targets(wanted)) == 2
    del source.by_name["a.yaml"]
    ambient.time += CHECK_EVERY
    assert await targets(wanted) == ["app-other"]
    assert source.read == ["a.yaml", "b.yaml"]


async def test_a_clock_that_is_set_back_makes_no_change_of_the_specs_wait() -> None:
    source = Texts({"a.yaml": SPEC})
    wanted, ambient = desired(source)
    ambient.offset = timedelta(hours=1)
    assert await targets(wanted) == ["app-flask"]
    ambient.offset = timedelta()
    source.by_name["b.yaml"] = OTHER
    ambient.time += CHECK_EVERY
    assert await targets(wanted) == ["app-flask", "app-other"]


async def test_who_has_good_specs_does_not_wait_for_newer_ones_that_take_long() -> None:
    may_answer = asyncio.Event()

    class Slow(Texts):
        async def versions(self) -> Mapping[str, str]:
            if self.asked:
                await may_answer.wait()
            return await super().versions()

    source = Slow({"a.yaml": SPEC})
    wanted, ambient = desired(source)
    assert await targets(wanted) == ["app-flask"]
    source.by_name["b.yaml"] = OTHER
    ambient.time += CHECK_EVERY
    one, other = await asyncio.gather(targets(wanted), targets(wanted))
    assert one == other == ["app-flask"]
    may_answer.set()
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
    assert await targets(wanted) == ["app-flask", "app-other"]
    assert source.asked == 2


def test_a_crowd_waits_no_longer_for_newer_specs_than_the_first_of_it() -> None:
    async def program(loop: VirtualLoop) -> list[float]:
        class Slow(Texts):
            async def versions(self) -> Mapping[str, str]:
                if self.asked:
                    await asyncio.sleep(20)
                return await super().versions()

        wanted = DesiredState(Slow({"a.yaml": SPEC}), REGISTRY, LoopAmbient(loop, "instance"), SUBSCRIPTION)
        await wanted.fleet()

        async def ask(after: float) -> float:
            await asyncio.sleep(after)
            began = loop.time()
            await wanted.fleet()
            return loop.time() - began

        await asyncio.sleep(CHECK_EVERY.total_seconds())
        return await asyncio.gather(*map(ask, (0.0, 0.25, 0.5, 1.5, 10.0, 19.0)))

    assert run_on(VirtualLoop(), program) == [1.0, 0.75, 0.5, 0.0, 0.0, 0.0]


async def test_while_there_are_no_specs_yet_all_wait_for_the_first_ones() -> None:
    source = Texts({"a.yaml": SPEC})
    wanted, _ = desired(source)
    one, other = await asyncio.gather(targets(wanted), targets(wanted))
    assert one == other == ["app-flask"]
    assert source.asked == 1
