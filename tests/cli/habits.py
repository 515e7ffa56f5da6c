"""One line for every command of the tree, in an order in which they can be run: what it writes, and what it hints at.

In a line `{task}`, `{other}`, `{snapshot}`, `{environment}` and `{old}` stand for what the lines before have made.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ID", "NOTHING", "ROWS", "TEXT", "Row"]

NOTHING = ""
ID = r"([0-9a-z]{16}|[0-9a-f]{64})\n"
TEXT = r".+\n"


class Row(NamedTuple):
    """A command that succeeds.

    Attributes:
        path: the command.
        line: what is typed behind it.
        out: what standard output is, as a regular expression.
        hint: what the hint has in it, where there is an obvious next step; else why there is none.
        makes: what its output is called in later lines.
    """

    path: str
    line: str
    out: str
    hint: str
    makes: str = ""


_READS = "(it was asked for)"
_DONE = "(nothing follows)"

ROWS = (
    Row("version", "", TEXT, _READS),
    Row("completion", "bash", TEXT, _READS),
    Row("docs", "", TEXT, "`datmo docs guide`"),
    Row("init", "--name iris", ID, "`datmo task run"),
    Row("environment setup", "", TEXT, "`datmo environment setup --write`"),
    Row("environment create", "", ID, "`datmo task run", "environment"),
    Row("environment ls", "", TEXT, "`datmo environment setup`"),
    Row("environment inspect", "{environment}", TEXT, _READS),
    Row("task run", "'python train.py'", TEXT, "`datmo snapshot create"),
    Row("task ls", "", TEXT, _READS),
    Row("task ls", "--format csv", TEXT, _READS, "task"),
    Row("task inspect", "{task}", TEXT, "`datmo task logs"),
    Row("task files", "{task} --to left", TEXT, _READS),
    Row("task logs", "{task}", TEXT, _READS),
    Row("task metrics", "{task}", TEXT, _READS),
    Row("task plot", "{task} loss", TEXT, _READS),
    Row("task wait", "{task}", NOTHING, _DONE),
    Row("task rerun", "{task}", TEXT, "`datmo snapshot create"),
    Row("task run", "--detach 'sleep 300'", ID, "`datmo task logs -f", "other"),
    Row("task stop", "{other}", NOTHING, _DONE),
    Row("task recover", "", NOTHING, _DONE),
    Row("snapshot create", "-m first -l best --filepaths train.py", ID, "`datmo snapshot inspect", "snapshot"),
    Row("snapshot ls", "", TEXT, _READS),
    Row("snapshot inspect", "best", TEXT, _READS),
    Row("snapshot diff", "best", NOTHING, _DONE),
    Row("snapshot verify", "--all", TEXT, _DONE),
    Row("snapshot update", "best --config lr:0.1", NOTHING, "`datmo log ls"),
    Row("snapshot checkout", "best", ID, _DONE),
    Row("snapshot export", "best -o best.zip", TEXT, "`datmo snapshot import"),
    Row("snapshot delete", "best", NOTHING, "`datmo snapshot undelete"),
    Row("snapshot undelete", "{snapshot}", NOTHING, _DONE),
    Row("snapshot import", "best.zip", NOTHING, _DONE),
    Row("session create", "sweeps", ID, "`datmo session select default`"),
    Row("session ls", "", TEXT, _READS),
    Row("session select", "default", NOTHING, _DONE),
    Row("session delete", "sweeps", NOTHING, "`datmo session undelete"),
    Row("session undelete", "sweeps", NOTHING, _DONE),
    Row("config set", "jobs 2", NOTHING, _DONE),
    Row("config get", "jobs", TEXT, _READS),
    Row("config ls", "", TEXT, _READS),
    Row("config unset", "jobs", NOTHING, _DONE),
    Row("status", "", TEXT, "`datmo snapshot create"),
    Row("log ls", "", TEXT, _READS),
    Row("log show", "1", TEXT, _READS),
    Row("log verify", "", TEXT, "the head seals"),
    Row("log replay", "", TEXT, _READS),
    Row("environment diff", "{environment} {environment}", NOTHING, _DONE),
    Row("environment delete", "{environment}", NOTHING, _DONE),
    Row("gc", "--dry-run", TEXT, _READS),
    Row("cleanup", "--yes", TEXT, _DONE),
)
