"""`project.gc`: removing what nobody needs, safe beside whoever stores something and after a kill at any moment.

1. The store is held alone: those who store wait, and what they stored and have not named yet is named first.
2. What is needed is read from the views, and from the lists of the files that are needed.
3. Events say what is given up; from then on nothing can name it again without storing it again.
4. Objects, refs, payloads and what checkouts have left go. A kill in between leaves garbage for the next time, and
   nothing else.
5. The log's file is written anew where half of it is empty by then; nobody who stores something waits for that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from datmo.core.collecting import Collection, announce, conclude
from datmo.engine.checkout_leftovers import Leftovers, find_leftovers
from datmo.engine.metering import metered
from datmo.engine.showing import shown
from datmo.engine.workspace import Workspace, command
from datmo.errors import DatmoError, LogError, ProjectBusy, Refused
from datmo.projections.needs import Needs, needs

if TYPE_CHECKING:
    from datmo.capture.code import CodeGarbage
    from datmo.objects.collect import Garbage
    from datmo.objects.meter import Meter, Reported

__all__ = ["collect_garbage"]

_PATIENCE = 60.0
_AGAIN = 0.05


async def collect_garbage(workspace: Workspace, *, dry_run: bool, progress: Reported | None = None) -> Collection:
    """Remove what nobody needs, or only say what that is; see `datmo.engine.project.Project.gc`."""
    async with shown(workspace, "looking for garbage" if dry_run else "collecting garbage"):
        meter = await metered(workspace, progress)
        if dry_run:
            return await _look(workspace, meter)
        done = await _collect(workspace, meter)
        try:
            await workspace.log.shrink()
        except LogError as error:
            return done._replace(problems=(*done.problems, error.message))
        return done


async def _look(workspace: Workspace, meter: Meter | None) -> Collection:
    found = await workspace.query(needs)
    code = await workspace.in_thread(lambda: workspace.code.garbage(found.code))
    garbage = await workspace.in_thread(lambda: _garbage(workspace, found, meter))
    return _collection(found, garbage, code, await find_leftovers(workspace), dry_run=True)


async def _collect(workspace: Workspace, meter: Meter | None) -> Collection:
    async with _alone(workspace):
        found = await workspace.query(needs)
        garbage = await workspace.in_thread(lambda: _garbage(workspace, found, meter))
        planned = await workspace.in_thread(lambda: workspace.code.garbage(found.code))
        leftovers = await find_leftovers(workspace)
        if (nothing := _collection(found, garbage, planned, leftovers, dry_run=False)).empty:
            await workspace.in_thread(workspace.store.sweep)
            return nothing
        with command():
            if events := announce(found.unneeded):
                await workspace.log.append(*events)
            if meter is not None:
                expected = garbage.work + found.payload_size + leftovers.size
                await workspace.in_thread(lambda: meter.expect(expected))
            garbage = await workspace.in_thread(lambda: workspace.store.collect(garbage, progress=meter))
            code = await workspace.in_thread(lambda: workspace.code.collect(found.code))
            await _erase(workspace, found, meter)
            gone = await workspace.in_thread(lambda: leftovers.remove(meter))
            collection = _collection(found, garbage, code, gone, dry_run=False)
            await workspace.log.append(*conclude(collection))
        return collection


async def _erase(workspace: Workspace, found: Needs, meter: Meter | None) -> None:
    positions = [position for each in found.unneeded.payloads.values() for position in each]
    if not positions:
        return
    done = 0

    def erased(count: int) -> None:
        nonlocal done
        before, done = done, done + count
        if meter is not None:  # told as if all were of one size: each is small
            meter(found.payload_size * done // len(positions) - found.payload_size * before // len(positions))

    await workspace.log.erase(positions, erased)


@asynccontextmanager
async def _alone(workspace: Workspace) -> AsyncIterator[None]:
    """Hold the store alone, as soon as nobody stores anything.

    Raises:
        ProjectBusy: somebody still does after a minute.
    """
    hold = await workspace.in_thread(lambda: workspace.store.hold())  # noqa: PLW0108  # on the loop it would import the store
    try:
        with anyio.move_on_after(_PATIENCE) as patience:
            while not await anyio.to_thread.run_sync(hold.try_alone):  # noqa: ASYNC110  # others let go without a word
                await anyio.sleep(_AGAIN)
        if patience.cancelled_caught:
            raise ProjectBusy("something is being captured or collected just now", hint="try again when that is done")
        yield
    finally:
        hold.release()


def _garbage(workspace: Workspace, found: Needs, meter: Meter | None) -> Garbage:
    from datmo.capture.manifest import Manifest

    objects = {*found.objects, *found.files}
    if meter is not None:
        meter.expect(workspace.store.sizes(found.files))
    for collection_id in found.files:
        try:
            listed = workspace.store.read(collection_id)
            entries = Manifest.from_bytes(listed).entries
        except DatmoError as error:
            raise Refused(
                f"the list of the files {collection_id[:12]} cannot be read, so what is needed is not known: {error}",
                hint="`datmo snapshot verify --all` names the snapshots; delete them, or bring the store back",
            ) from error
        objects.update(entry.object for entry in entries)
        if meter is not None:
            meter(len(listed))
    return workspace.store.garbage(objects)


def _collection(
    found: Needs, garbage: Garbage, code: CodeGarbage, leftovers: Leftovers, *, dry_run: bool
) -> Collection:
    return Collection(
        snapshots=len(found.unneeded.snapshots),
        tasks=len(found.unneeded.tasks),
        files=len(found.unneeded.files),
        objects=garbage.objects,
        refs=code.refs,
        payloads=sum(len(each) for each in found.unneeded.payloads.values()),
        checkouts=len(leftovers.places),
        size=garbage.size + code.size + leftovers.size,
        payload_size=found.payload_size,
        kept=garbage.kept,
        problems=(*garbage.problems, *leftovers.problems),
        dry_run=dry_run,
    )
