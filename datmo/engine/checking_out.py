"""Checking a snapshot out: the tree becomes it, unsaved work is kept first, and what was cut short is finished.

Content first, then the note in the journal, then the tree, the event last. Wherever a process dies, the next command
finds the note and goes on: what is in the tree by then and in neither snapshot is kept before it is replaced.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from datmo.core import checkout as rules
from datmo.core.ids import event_ids, short
from datmo.engine import checkout_journal as journals
from datmo.engine.checking_out_elsewhere import write_elsewhere
from datmo.engine.checkout_carrying import Carrying, Done
from datmo.engine.checkout_content import Content, content_of
from datmo.engine.checkout_saving import Append, Look, save_work
from datmo.engine.workspace import Workspace
from datmo.errors import DatmoError, InvalidArgument, ProjectBusy, Refused
from datmo.projections import snapshots as view
from datmo.projections.content import CODE, ENVIRONMENTS
from datmo.projections.projection import Row

__all__ = ["CheckingOut", "check_out", "finish_interrupted"]


class CheckingOut(Carrying):
    """One command that changes the tree."""

    async def run(self, given: str, *, branch: str | None, save: bool) -> Done:
        """Check out a snapshot; see `datmo.engine.snapshots.Snapshots.checkout`."""
        unfinished = await self._finish_if_possible()
        workspace = self._workspace
        await self._refuse_under_way()
        project = await workspace.project_row()
        row = await self.named(given)
        current = await self._row(project["snapshot_id"])
        wanted = await self._content(row)
        held = None if current is None else await self._content(current)
        last = project["checkout"] or {"kept": [], "made": []}
        leaving = [path for path in (held.tree if held else ()) if path not in last["kept"]]
        gone = last["made"]
        if unfinished is not None:
            leaving, gone = [*leaving, *unfinished.leaving], [*gone, *unfinished.gone]
        commit = await self._commit(row, branch) if branch is not None else None
        look = await self._look(row, wanted, leaving, gone)
        known = None if look.plan.lossy else await self._known(look, wanted, row, current)
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
            gone=gone,
            kept=beside,
            made=list(look.plan.made),
            branch=branch,
            commit=commit,
        )
        await workspace.in_thread(lambda: journals.note(workspace.folder, journal))
        try:
            return await self._shielded(journal, look.plan)
        except DatmoError:
            await self._undo(journal, wanted)
            raise

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
        doing = "going back to it" if found.undoing else "finishing it"
        workspace.notice(f"a checkout of snapshot {short(found.snapshot)} was cut short: {doing}")
        await self._shielded(found, None)

    async def _finish_if_possible(self) -> journals.Journal | None:
        """Finish what was cut short; returns it where that cannot be done, as the next checkout takes its place."""
        workspace = self._workspace
        try:
            await self.finish()
        except DatmoError as error:
            found = await workspace.in_thread(lambda: journals.pending(workspace.folder))
            workspace.notice(f"a checkout that was cut short cannot be finished: {error}")
            return found if isinstance(found, journals.Journal) else None
        return None

    async def _undo(self, journal: journals.Journal, wanted: Content) -> None:
        """Bring the tree back to what it was before a checkout that failed; what fails, too, the next command tries."""
        workspace = self._workspace
        if journal.previous is None:  # it was the snapshot already, so nothing was done to it
            await workspace.in_thread(lambda: journals.clear(workspace.folder))
            return
        back = replace(
            journal,
            snapshot=journal.previous,
            previous=journal.snapshot,
            leaving=[path for path in wanted.tree if path not in journal.kept],
            gone=journal.made,
            kept=[],
            made=[],
            branch=None,
            commit=None,
            undoing=True,
        )
        await workspace.in_thread(lambda: journals.note(workspace.folder, back))
        try:
            await self._shielded(back, None)
        except DatmoError as error:
            workspace.notice(f"the folder is half way, the next command tries to bring it back: {error}")

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
        environment = await workspace.query(lambda connection: ENVIRONMENTS.load(connection, row["environment_id"]))
        folder = await workspace.in_thread(lambda: write_elsewhere(workspace, row, environment, place))
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
