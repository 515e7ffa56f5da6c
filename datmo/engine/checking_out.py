"""Checking a snapshot out: the tree becomes it, unsaved work is kept first, and what was cut short is finished.

Content first, then the note in the journal, then the tree, the event last. Wherever a process dies, the next command
finds the note and goes on: what is in the tree by then and in neither snapshot is kept before it is replaced.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio

from datmo.core import checkout as rules
from datmo.core.ids import event_ids, short
from datmo.engine import checkout_journal as journals
from datmo.engine.capturing import Capturing
from datmo.engine.checking_out_elsewhere import write_elsewhere
from datmo.engine.checkout import FOLDER as PLACE
from datmo.engine.checkout_content import Content, content_of, put_beside
from datmo.engine.checkout_saving import Append, Look, save_work
from datmo.engine.edge import single_error
from datmo.engine.workspace import Workspace, command
from datmo.errors import DatmoError, EntityNotFound, InvalidArgument, ProjectBusy, Refused
from datmo.projections import snapshots as view
from datmo.projections.content import CODE
from datmo.projections.projection import Row

if TYPE_CHECKING:
    from datmo.capture.code_capture import CodeCapture
    from datmo.capture.restore import Plan

__all__ = ["CheckingOut", "Done", "check_out", "finish_interrupted"]

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


class CheckingOut:
    """One command that changes the tree, under the lock.

    Parameters:
        workspace: the project.
        append: records a snapshot.
    """

    def __init__(self, workspace: Workspace, append: Append) -> None:
        self._workspace = workspace
        self._append = append

    async def run(self, given: str, *, branch: str | None, save: bool) -> Done:
        """Check out a snapshot; see `datmo.engine.snapshots.Snapshots.checkout`."""
        await self.finish()
        workspace = self._workspace
        await self._refuse_under_way()
        project = await workspace.project_row()
        row = await self.named(given)
        current = await self._row(project["snapshot_id"])
        wanted = await self._content(row)
        held = None if current is None else await self._content(current)
        last = project["checkout"] or {"kept": [], "made": []}
        leaving = [path for path in (held.tree if held else ()) if path not in last["kept"]]
        commit = await self._commit(row, branch) if branch is not None else None
        look = await self._look(row, wanted, leaving, last["made"])
        known = await self._known(look, wanted, row, current)
        saved = None
        if known is None:
            if not save:
                raise Refused(
                    "the tree holds work that is in no snapshot: nothing was changed",
                    hint="leave out --no-save, and it is kept as a snapshot of its own",
                )
            saved = await save_work(
                workspace, self._append, look, current or row, f"before the checkout of {short(row['id'])}"
            )
        previous, beside = known or (saved, [])
        if previous == row["id"] == project["snapshot_id"] and look.plan.does_nothing and branch is None:
            return await self._done(row, look.plan, None)
        if previous == row["id"]:  # the tree is that snapshot already: the way back stays the one that it was
            previous = project["previous_id"]
        journal = journals.Journal(
            checkout=next(event_ids(time.time_ns() // 1000)),
            snapshot=row["id"],
            previous=previous,
            saved=saved is not None,
            leaving=leaving,
            gone=last["made"],
            kept=beside,
            made=list(look.plan.made),
            branch=branch,
            commit=commit,
        )
        await workspace.in_thread(lambda: journals.note(workspace.folder, journal))
        return await self._shielded(journal, look.plan)

    async def named(self, given: str) -> Row:
        """Return the snapshot that is meant; `-` is the one that the last checkout came from."""
        if given == "-":
            given = rules.previous_of(await self._workspace.project_row())
        return await self._workspace.snapshot(given)

    async def finish(self) -> None:
        """Finish what was cut short, or undo it."""
        workspace = self._workspace
        found = await workspace.in_thread(lambda: journals.pending(workspace.folder))
        if found is None:
            return
        if isinstance(found, journals.Elsewhere):
            await workspace.in_thread(found.undo)
            await workspace.in_thread(lambda: journals.clear(workspace.folder))
            return
        checkout = (await workspace.project_row())["checkout"]
        if checkout is not None and checkout["checkout"] == found.checkout:
            await workspace.in_thread(lambda: journals.clear(workspace.folder))
            return
        workspace.notice(f"a checkout of snapshot {short(found.snapshot)} was cut short: finishing it")
        await self._shielded(found, None)

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
        await self._record(journal)
        return await self._done(row, plan, journal.previous if journal.saved else None)

    async def _done(self, row: Row, plan: Plan, saved: str | None) -> Done:
        """Put what has no place in the tree beside it, and say what was done."""
        workspace = self._workspace
        for line in plan.notices:
            workspace.notice(line)
        wanted = await self._content(row)
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
                unusual = store_places(store, home, made.unusual)
                # The states of the plan are those of what was captured only if it is the same still.
                still = workspace.code.capture(store).code_id == code.code_id
                return Look(code, capturing, places, unusual, made), still

            look, still = await workspace.in_thread(plan)
            if still:
                return look
        raise Refused("the tree is being written to: nothing was changed", hint="stop that, then try again")

    async def _known(self, look: Look, wanted: Content, row: Row, current: Row | None) -> tuple[str, list[str]] | None:
        """Return the snapshot that the tree is, and what lies beside its files; None where it is none.

        The current one, if it fits, then any other, and last the one that shall be checked out.
        """
        from datmo.capture.code_difference import displaced

        workspace = self._workspace
        code = look.code
        large = [list(entry) for entry in code.large]
        rows = await workspace.query(lambda connection: view.of_tree(connection, code.tree, large))
        rows.sort(key=lambda each: (each["id"] == row["id"], current is None or each["id"] != current["id"]))
        for each in rows:

            def beside_its_files(each: Row = each) -> list[str] | None:
                held = content_of(workspace, each).tree
                over = displaced(workspace.code, each["code_id"], held, look.places)
                return rules.fits(look.places, held, over, wanted.tree)

            beside = await workspace.in_thread(beside_its_files)
            if beside is not None:
                return each["id"], beside
        return None

    async def _refuse_under_way(self) -> None:
        from datmo.capture.code_difference import refuse_under_way

        await self._workspace.in_thread(lambda: refuse_under_way(self._workspace.code))

    async def _commit(self, row: Row, branch: str) -> str:
        from datmo.capture.code_branch import commit_for

        workspace = self._workspace
        code = await workspace.query(lambda connection: CODE.load(connection, row["code_id"]))
        return await workspace.in_thread(
            lambda: commit_for(
                workspace.code,
                row["code_id"],
                branch=branch,
                base=code["base"] if code else None,
                message=row["message"],
                seconds=row["created_at"] // 1_000_000,
            )
        )

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


async def check_out(
    workspace: Workspace, append: Append, given: str, *, to: Path | None, branch: str | None, save: bool
) -> Done:
    """Check out a snapshot; see `datmo.engine.snapshots.Snapshots.checkout`."""
    if to is not None and branch is not None:
        raise InvalidArgument("to and branch exclude one another: give one of them")
    async with journals.claimed(workspace.folder), workspace.storing():
        checking_out = CheckingOut(workspace, append)
        if to is None:
            return await checking_out.run(given, branch=branch, save=save)
        await checking_out.finish()
        row = await checking_out.named(given)
        place = to
        folder = await workspace.in_thread(lambda: write_elsewhere(workspace, row, place))
        return Done(row, None, 0, 0, folder, in_git=False)


async def finish_interrupted(workspace: Workspace, append: Append) -> None:
    """Finish or undo a checkout that was killed, unless somebody is at it; what keeps it from that is only said."""
    try:
        async with journals.claimed(workspace.folder), workspace.storing():
            await CheckingOut(workspace, append).finish()
    except ProjectBusy:
        return
    except DatmoError as error:
        workspace.notice(f"a checkout that was cut short is not finished: {error}")
        if error.hint:
            workspace.notice(error.hint)
