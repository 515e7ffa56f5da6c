"""Carrying a checkout out, as its journal says, from wherever the tree is: just begun, or cut short."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio

from datmo.core import checkout as rules
from datmo.core.ids import short
from datmo.engine import checkout_journal as journals
from datmo.engine.capturing import Capturing
from datmo.engine.checkout import FOLDER as PLACE
from datmo.engine.checkout_content import Content, content_of, put_beside
from datmo.engine.checkout_saving import Append, Look, save_work
from datmo.engine.edge import single_error
from datmo.engine.workspace import Workspace, command
from datmo.errors import EntityNotFound, Refused
from datmo.projections import snapshots as view
from datmo.projections.content import ENVIRONMENTS
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.capture.code_capture import CodeCapture
    from datmo.capture.restore import Plan

__all__ = ["Carrying", "Done"]

_TRIES = 5
"""So often a tree that is being written to is looked at anew."""


class Done(NamedTuple):
    """What a checkout did.

    Attributes:
        row: the snapshot that the tree is now.
        saved: the snapshot that unsaved work was kept as, or None.
        written, removed: how many files.
        folder: where lies what has no place in the tree, or None.
        in_git: whether the tree is one of git's.
    """

    row: Row
    saved: str | None
    written: int
    removed: int
    folder: Path | None
    in_git: bool


class Carrying:
    """What brings the tree from one snapshot to another, under the lock.

    Parameters:
        workspace: the project.
        append: records a snapshot.
    """

    def __init__(self, workspace: Workspace, append: Append) -> None:
        self._workspace = workspace
        self._append = append

    async def _shielded(self, journal: journals.Journal, plan: Plan | None) -> Done:
        """Carry out to the end: in a child task, because Ctrl-C breaks a shield in the main one."""
        done: list[Done] = []

        async def work() -> None:
            with anyio.CancelScope(shield=True):
                done.append(await self._carry_out(journal, plan))

        with single_error():
            async with anyio.create_task_group() as workers:
                workers.start_soon(work, name=f"checkout of snapshot {journal.snapshot}")
        return done[0]

    async def _carry_out(self, journal: journals.Journal, plan: Plan | None) -> Done:
        from datmo.capture.restore_apply import Moved

        row = await self._row(journal.snapshot)
        if row is None:
            raise EntityNotFound("snapshot", journal.snapshot)
        if plan is None:
            await self._refuse_under_way()
        for _ in range(_TRIES):
            plan = plan or await self._plan_anew(journal, row)
            try:
                await self._apply(row["code_id"], plan)
                break
            except Moved:
                plan = None
        if plan is None:
            raise Refused("the tree is being written to: the checkout is not finished", hint="stop that, then go on")
        if journal.branch is not None and journal.commit is not None:
            await self._enter(journal.branch, journal.commit)
        done = await self._done(row, plan, journal.previous if journal.saved else None)
        if journal.undoing:
            await self._workspace.in_thread(lambda: journals.clear(self._workspace.folder))
        else:
            await self._record(journal)
        return done

    async def _done(self, row: Row, plan: Plan, saved: str | None) -> Done:
        """Put what has no place in the tree beside it, and say what was done."""
        workspace = self._workspace
        for line in plan.notices:
            workspace.notice(line)
        environment = await workspace.query(lambda connection: ENVIRONMENTS.load(connection, row["environment_id"]))
        wanted = await workspace.in_thread(lambda: content_of(workspace, row, environment))
        folder = await workspace.in_thread(lambda: put_beside(workspace, row, wanted, plan.contested))
        in_git = await workspace.in_thread(lambda: not workspace.code.current().own)
        return Done(row, saved, len(plan.writes) + len(plan.modes), len(plan.removals), folder, in_git)

    async def _apply(self, code_id: str, plan: Plan) -> None:
        from datmo.capture.restore_apply import apply_plan

        workspace = self._workspace
        stage = workspace.folder / PLACE / "stage"
        await workspace.in_thread(
            lambda: apply_plan(workspace.code, workspace.store, workspace.home, code_id=code_id, plan=plan, stage=stage)
        )

    async def _plan_anew(self, journal: journals.Journal, row: Row) -> Plan:
        """Make a plan for a tree that is half way, or was changed meanwhile; keeps what would be lost."""
        from datmo.capture.code_difference import lost_leaves, unclaimed

        workspace = self._workspace
        wanted = await self._content(row)
        previous = await self._row(journal.previous)
        before = None if previous is None else await self._content(previous)
        await workspace.in_thread(lambda: self._sweep([*wanted.tree, *journal.leaving], row["code_id"]))
        look = await self._look(row, wanted, journal.leaving, journal.gone, before.tree if before else ())
        known = [row["code_id"], *([previous["code_id"]] if previous else [])]
        now = look.code.code_id
        lost = await workspace.in_thread(lambda: lost_leaves(workspace.code, now, *known))
        places = await workspace.in_thread(lambda: unclaimed(workspace.code, now, look.places))
        if lost or not rules.nothing_lost(places, wanted.tree, before.tree if before else {}):
            made = await save_work(
                workspace, self._append, look, previous or row, f"found in the checkout of {short(row['id'])}"
            )
            workspace.notice(f"what was changed in the tree since then is kept as snapshot {short(made)}")
        return look.plan

    def _sweep(self, paths: list[str], code_id: str) -> None:
        from datmo.capture.tree import Tree

        listed = [path for path, _, _ in self._workspace.code.files(code_id)]
        with Tree(self._workspace.home) as tree:
            tree.sweep([*paths, *listed])

    async def _look(
        self, row: Row, wanted: Content, leaving: list[str], gone: list[str], looked_at: Iterable[str] = ()
    ) -> Look:
        """Capture the tree and plan, in a moment in which nothing changes."""
        from datmo.capture.restore import Wanted, make_plan
        from datmo.capture.tree import store_places

        workspace = self._workspace
        home, store = workspace.home, workspace.store
        for _ in range(_TRIES):
            capturing = Capturing(workspace)
            code = await capturing.capture()

            def plan(code: CodeCapture = code, capturing: Capturing = capturing) -> tuple[Look, bool]:
                places = store_places(store, home, {*wanted.tree, *leaving, *looked_at})
                files = Wanted(wanted.tree, places, leaving, gone)
                made = make_plan(workspace.code, store, home, (code.code_id, row["code_id"]), files)
                places |= store_places(store, home, made.in_the_way)
                unusual = store_places(store, home, {*made.unusual, *made.lossy})
                # The states of the plan are those of what was captured only if it is the same still.
                still = workspace.code.capture(store).code_id == code.code_id
                return Look(code, capturing, places, unusual, made), still

            look, still = await workspace.in_thread(plan)
            if still:
                return look
        raise Refused("the tree is being written to: nothing was changed", hint="stop that, then try again")

    async def _refuse_under_way(self) -> None:
        from datmo.capture.code_difference import refuse_under_way

        await self._workspace.in_thread(lambda: refuse_under_way(self._workspace.code))

    async def _enter(self, branch: str, commit: str) -> None:
        from datmo.capture.code_branch import enter_branch

        await self._workspace.in_thread(lambda: enter_branch(self._workspace.code, branch, commit))

    async def _record(self, journal: journals.Journal) -> None:
        workspace = self._workspace
        data = rules.CheckedOut(
            checkout=journal.checkout,
            previous=journal.previous,
            saved=journal.saved,
            branch=journal.branch,
            kept=journal.kept,
            made=journal.made,
        )
        with command():
            await workspace.log.append(*rules.check_out(journal.snapshot, data), key=journal.checkout)
        await workspace.in_thread(lambda: journals.clear(workspace.folder))

    async def _content(self, row: Row) -> Content:
        return await self._workspace.in_thread(lambda: content_of(self._workspace, row))

    async def _row(self, snapshot_id: str | None) -> Row | None:
        if snapshot_id is None:
            return None
        return await self._workspace.query(lambda connection: view.SNAPSHOTS.load(connection, snapshot_id))
