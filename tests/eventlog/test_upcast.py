"""Old schemas are made current when they are read; unknown ones are kept and passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.to_thread
import pytest

from datmo.core.event import Event, NewEvent
from datmo.eventlog.log import EventLog
from datmo.eventlog.upcast import Schemas
from datmo.projections.projection import Projection, Row
from datmo.projections.views import Views, compare_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def weigh(row: Row | None, event: Event) -> Row | None:
    """The current form says `grams`; the first one said `pounds`, the second one `kilograms`."""
    before = 0.0 if row is None else row["grams"]
    return {"id": event.entity_id, "grams": before + event.data["grams"]}


def views(schemas: Schemas, version: int) -> Views:
    columns = {"id": "TEXT", "grams": "REAL"}
    return Views([Projection("weight", version, columns, ("parcel.weighed",), weigh)], schemas)


FIRST = Schemas({"parcel.weighed": 1})
THIRD = Schemas(
    {"parcel.weighed": 3, "parcel.sent": 1},
    {
        ("parcel.weighed", 1): lambda data: {"kilograms": data["pounds"] / 2},
        ("parcel.weighed", 2): lambda data: {"grams": data["kilograms"] * 1000},
    },
)


def weighed(**data: float) -> NewEvent:
    return NewEvent("parcel/one", "parcel.weighed", data)


async def written_by(path: Path, schemas: Schemas, *events: NewEvent) -> None:
    async with EventLog.open(path, Views([], schemas), schemas) as log:
        await log.append(*events)


async def test_old_events_are_made_current_step_by_step_and_never_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await written_by(path, FIRST, weighed(pounds=4))
    await written_by(path, Schemas({"parcel.weighed": 2}, THIRD._upcasters), weighed(kilograms=3))
    async with EventLog.open(path, views(THIRD, 1), THIRD) as log:
        await log.append(weighed(grams=5))
        found = [(event.schema, event.data) async for event in log.read()]
        assert found == [(1, {"grams": 2000.0}), (2, {"grams": 3000}), (3, {"grams": 5})]
        assert await weight(log) == [(5005.0,)]
        stored = await log.query(lambda connection: connection.execute("SELECT data FROM event").fetchall())
        assert stored == [(b'{"pounds":4}',), (b'{"kilograms":3}',), (b'{"grams":5}',)]
        assert (await log.verify()).ok


async def weight(log: EventLog) -> Any:
    return await log.query(lambda connection: connection.execute("SELECT grams FROM weight").fetchall())


async def test_events_of_a_newer_version_are_kept_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await written_by(path, THIRD, weighed(grams=7), NewEvent("parcel/one", "parcel.sent", {"to": "you"}))
    await written_by(path, FIRST, weighed(grams=1))
    old = views(FIRST, 1)
    async with EventLog.open(path, old, FIRST) as log:
        await log.append(weighed(grams=2), NewEvent("parcel/two", "parcel.lost", {"where": "sea"}))
        assert await weight(log) == [(3.0,)]
        found = [(event.type, event.schema, event.data) async for event in log.read()]
        assert found[:2] == [("parcel.weighed", 3, {"grams": 7}), ("parcel.sent", 1, {"to": "you"})]
        assert found[4] == ("parcel.lost", 1, {"where": "sea"})
        assert (await log.verify()).ok
    report = await anyio.to_thread.run_sync(compare_file, path, old)
    assert report.different == ()
    assert report.unknown == {"parcel.weighed": 1, "parcel.sent": 1, "parcel.lost": 1}


def test_a_missing_step_is_an_error_of_the_program() -> None:
    with pytest.raises(ValueError, match="no upcaster from version 1 to 2"):
        Schemas({"parcel.weighed": 2})
