"""The golden log: a stored sample of every event type and schema version that was ever released.

    python -m tests.eventlog.golden

adds a sample of each type and version that has none yet, from the histories of the property tests. Nothing that is in
the file is ever changed: what was written once must be readable for ever.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from datmo.core import project
from datmo.core.event import NewEvent
from datmo.core.schemas import CURRENT
from datmo.errors import LogError
from datmo.eventlog.lock import WriteLock
from datmo.eventlog.log import EventLog
from datmo.eventlog.schema import COLUMNS, INSERT, SELECT, create_file
from datmo.projections.all import SCHEMAS, VIEWS
from tests.projections.histories import COMMANDS, DEFAULT, PROJECT

FILE = Path(__file__).with_name("released") / "log.json"


def stored() -> list[dict[str, Any]]:
    """Return the events of the golden log as they are stored."""
    if not FILE.exists():
        return []
    found: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def write_log(file: Path) -> None:
    """Make a log of the golden events, as an older Datmo has left it: without any views."""
    create_file(file, WriteLock(file.with_suffix(".lock")))
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.executemany(INSERT, [_row(event) for event in stored()])


def _row(event: dict[str, Any]) -> list[Any]:
    values = {**event, "data": event["data"].encode(), "hash": bytes.fromhex(event["hash"])}
    values["digest"] = None if event["digest"] is None else bytes.fromhex(event["digest"])
    return [values[name] for name in COLUMNS.split(", ")]


def _sample(row: tuple[Any, ...]) -> dict[str, Any]:
    values = dict(zip(COLUMNS.split(", "), row, strict=True))
    digest = values["digest"]
    readable = {"data": values["data"].decode(), "hash": values["hash"].hex()}
    return {**values, **readable, "digest": None if digest is None else digest.hex()}


async def add_missing(file: Path) -> None:
    """Append what has no sample yet."""
    async with EventLog.open(file, VIEWS, SCHEMAS) as log:
        known = {(event["type"], event["schema"]) for event in stored()}
        if not known:
            await log.append(*project.initialize(PROJECT, DEFAULT, "iris", "flowers"))
        for event in _candidates():
            name = event.type, CURRENT.get(event.type, 1)
            if name not in known:
                try:
                    await log.append(event)
                except LogError:
                    continue
                known.add(name)
        # Payloads are not part of the samples: they count as erased.
        events = [event async for event in log.read()]
        erased = {position for event in events for position in event.data.get("positions", ())}
        if left := [event.position for event in events if event.digest and event.position not in erased]:
            await log.append(NewEvent("task/" + "t" * 16, "payload.erased", {"positions": left}))


def _candidates() -> list[NewEvent]:
    values = {"rate": 0.1, "loss": float("nan"), "label": None, "$": 2**70}
    return [
        *(event for number in (1, 2, 3, 5, 4) for command in COMMANDS for event in command(number, values)),
        *(event for command in COMMANDS for event in command(0, {})),
    ]


def main() -> int:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "log.db"
        write_log(file)
        anyio.run(add_missing, file)
        with closing(sqlite3.connect(file)) as connection:
            samples = [_sample(row) for row in connection.execute(f"{SELECT} ORDER BY position")]
    for sample, before in zip(samples, stored(), strict=False):
        if sample != before:
            raise ValueError(f"the golden event at position {before['position']} would be changed")
    FILE.write_text(json.dumps(samples, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
