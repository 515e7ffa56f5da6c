"""A notebook's kernel for tests: cells are run as Jupyter runs them, and every message that they cause is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_client.manager import start_new_kernel

from tests.api.processes import ROOT

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Output(NamedTuple):
    """Something that a cell shows: what it is, the display that it has or changes, text and HTML."""

    kind: str
    display: str | None
    text: str
    page: str


class Kernel:
    """A kernel."""

    def __init__(self, client: Any, interrupt: Callable[[], None]) -> None:
        self._client = client
        self.interrupt = interrupt

    def run(self, source: str, *, hear: Callable[[Output], None] | None = None) -> list[Output]:
        """Run a cell to its end; returns what it showed, of errors the traceback without colours.

        Parameters:
            source: the cell.
            hear: told what it shows at once.
        """
        outputs: list[Output] = []

        def take(message: dict[str, Any]) -> None:
            if (output := _output(message)) is not None:
                outputs.append(output)
                if hear is not None:
                    hear(output)

        self._client.execute_interactive(source, output_hook=take, timeout=250)
        return outputs

    def text(self, source: str) -> str:
        """Run a cell that prints, and does nothing else; return what it printed."""
        outputs = self.run(source)
        assert {output.kind for output in outputs} <= {"stdout"}, outputs
        return "".join(output.text for output in outputs)


def _output(message: dict[str, Any]) -> Output | None:
    kind, content = message["msg_type"], message["content"]
    if kind == "stream":
        return Output(content["name"], None, content["text"], "")
    if kind == "error":
        return Output("error", None, _COLOURS.sub("", "\n".join(content["traceback"])), "")
    if kind in ("display_data", "update_display_data", "execute_result"):
        data = content["data"]
        display = content.get("transient", {}).get("display_id")
        return Output(kind, display, data.get("text/plain", ""), data.get("text/html", ""))
    return None


@contextmanager
def kernel(folder: Path) -> Iterator[Kernel]:
    """Start a kernel whose working folder this is, as a notebook there has it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / ".ipython")}
    manager, client = start_new_kernel(startup_timeout=200, cwd=str(folder), env=environment)
    try:
        yield Kernel(client, manager.interrupt_kernel)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
