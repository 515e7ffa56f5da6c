"""The guard of the event loop: what it catches, and what it lets pass."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from anyio import to_thread
from blockbuster import BlockingError

import datmo

pytestmark = pytest.mark.anyio


def as_if_in_datmo(source: str) -> None:
    exec(compile(source, str(Path(datmo.__file__).with_name("pretended.py")), "exec"))


async def test_a_blocking_call_of_datmo_on_the_loop_fails() -> None:
    with pytest.raises(BlockingError, match=r"time\.sleep"):
        as_if_in_datmo("import time; time.sleep(0)")


async def test_the_same_call_in_a_worker_thread_passes() -> None:
    await to_thread.run_sync(as_if_in_datmo, "import time; time.sleep(0)")
    assert True


async def test_a_test_may_block(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("read back")
    time.sleep(0)
    assert (tmp_path / "note").read_text() == "read back"
