"""Old logs stay readable for ever: a sample of every event type and version that was ever released."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from datmo.core.schemas import CURRENT
from datmo.eventlog.codec import decode
from datmo.projections.all import SCHEMAS, VIEWS
from tests.eventlog.golden import stored, write_log
from tests.eventlog.support import differing_views, opened

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def test_every_type_and_version_has_a_sample() -> None:
    released = {(event_type, schema) for event_type, last in CURRENT.items() for schema in range(1, last + 1)}
    missing = released - {(event["type"], event["schema"]) for event in stored()}
    assert not missing, "`python -m tests.eventlog.golden` adds them"


@pytest.mark.parametrize("event", stored(), ids=lambda event: f"{event['type']} {event['schema']}")
def test_a_sample_becomes_current(event: dict[str, str | int]) -> None:
    data = SCHEMAS.upcast(str(event["type"]), int(event["schema"]), decode(str(event["data"])))
    assert isinstance(data, dict)


async def test_the_golden_log_opens_folds_and_verifies(tmp_path: Path) -> None:
    await anyio.to_thread.run_sync(write_log, tmp_path / "log.db")
    async with opened(tmp_path) as log:
        assert (await log.verify()).ok
        assert [event.position async for event in log.read()] == list(range(1, len(stored()) + 1))
        for view in VIEWS.projections:
            assert await log.query(lambda connection, view=view: view.select(connection)), view.table  # type: ignore[misc]
    assert await differing_views(tmp_path) == ()
