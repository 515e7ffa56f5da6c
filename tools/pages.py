"""Draw the pages of the command line as a terminal shows them, to be looked at after a change.

    python tools/pages.py FOLDER [--width 100] [--only sweep]

A small project is made in a temporary folder. Each command is typed into a terminal of tmux, which must be installed,
and what stands there is written as an SVG picture into FOLDER: at its end or, of what is redrawn, in the middle.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from datmo.cli.sections import continued  # noqa: E402

PROMPT = re.compile(r"(\d+)\$\s*")
LONGEST = 120.0
TRAIN = """
import math, os, sys, time
import datmo
task = datmo.task.current()
config = {name: float(os.environ["DATMO_PARAM_" + name]) for name in ("LR", "DECAY")}
for epoch in range(12):
    loss = math.exp(-epoch * config["LR"]) + config["DECAY"]
    task.log(step=epoch, loss=loss, accuracy=1 - loss / 2)
    print(f"epoch {epoch + 1}/12")
    if config["LR"] > 1 and epoch == 3:
        sys.exit("gradients overflow")
    time.sleep(0.25)
task.log_results(loss=loss, accuracy=1 - loss / 2)
"""
SWEEP = "datmo task run -j 4 'python train.py' --grid lr=0.3,2,0.1 --grid decay=0,0.01,0.1 --rank 'results.loss asc'"


PAGES = {
    "sweep": SWEEP,
    "sweep-end": SWEEP,
    "task-ls": "datmo task ls --limit 12",
    "snapshot-ls": "datmo snapshot ls",
    "snapshot-diff": "datmo snapshot diff first second",
    "snapshot-inspect": "datmo snapshot inspect second",
    "status": "datmo status",
    "plot": "datmo task plot $(datmo task ls --status success --limit 3 --format csv | sed '1d;s/,.*//') loss",
    "log-ls": "datmo log ls --limit 15",
    "help": "datmo task run --help",
    "errors": "datmo taks; datmo task logs zzzz; datmo snapshot ls --where 'stats.f1 >'",
}
UNTIL = {"sweep": r"[5-8]/9 [\s\S]*epoch [6-9]"}
"""What is drawn in the middle, and the text at which; all others are drawn at their end."""


class Terminal:
    """A terminal of tmux with a shell in it, in which `datmo` is this very version."""

    def __init__(self, folder: Path, width: int) -> None:
        self._name = f"datmo-pages-{os.getpid()}"
        self._typed = 0
        variables = {"PYTHONPATH": str(ROOT), "PS1": r"\#$ ", "TERM": "xterm-256color", "HISTFILE": os.devnull}
        shell = ["env", "-u", "COLUMNS", *map("=".join, variables.items()), "bash", "--norc", "--noprofile"]
        size = ["-x", str(width), "-y", "45"]
        self._tmux("-f", os.devnull, "new-session", "-d", "-s", self._name, *size, "-c", str(folder), *shell)
        self._tmux("set-option", "-t", self._name, "status", "off")
        self.type(f'datmo() {{ {shlex.quote(sys.executable)} -m datmo "$@"; }}')

    def _tmux(self, *arguments: str) -> str:
        return subprocess.check_output(["tmux", "-L", self._name, *arguments], text=True)

    def type(self, line: str, until: str | None = None) -> str:
        """Type a command, and return what the terminal shows at its end or at a text, with its colours."""
        self._tmux("send-keys", "-t", self._name, "-l", f"clear; tmux clear-history; {line}")
        self._tmux("send-keys", "-t", self._name, "Enter")
        self._typed += 1
        latest = time.monotonic() + LONGEST
        while time.monotonic() < latest:
            time.sleep(0.1)
            plain = self._tmux("capture-pane", "-p", "-t", self._name).rstrip()
            prompt = PROMPT.fullmatch(plain.rpartition("\n")[2])
            if re.search(until, plain) if until else prompt and int(prompt[1]) > self._typed:
                history = () if until else ("-S", "-200")
                return self._tmux("capture-pane", "-e", "-p", *history, "-t", self._name).rstrip()
        raise SystemExit(f"{line}: not at its end after {LONGEST:.0f} s")

    def close(self) -> None:
        """End it, and all that runs there."""
        self._tmux("kill-server")


def make_project(folder: Path, terminal: Terminal) -> None:
    """Fill the folder with something to show."""
    (folder / "train.py").write_text(TRAIN)
    for label, lr in (("first", 0.1), ("second", 0.3)):
        (folder / "config.json").write_text(f'{{"lr": {lr}, "optimizer": "adam"}}')
        terminal.type("datmo init --name spiral --description 'small models' < /dev/null")
        terminal.type(f"datmo snapshot create -m 'the {label} try' --label {label} --stats accuracy:{0.8 + lr / 3}")
    (folder / "train.py").write_text(TRAIN.replace("range(12)", "range(14)"))
    terminal.type(SWEEP)


def draw(command: str, shown: str, width: int, target: Path) -> None:
    """Write what a terminal shows as a picture."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=width, file=nowhere, force_terminal=True, color_system="truecolor")
        lines = [line for line in shown.split("\n") if not PROMPT.fullmatch(line)]
        typed = continued(command, width, 0)
        console.print(Text.from_ansi("\n".join([*typed, *lines])), soft_wrap=True)
        picture = console.export_svg(title="datmo")
    # Nothing is loaded from elsewhere: the reader's own font for code will do.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")
    target.write_text(picture)


def main() -> None:
    """Draw all pages, or one."""
    parser = argparse.ArgumentParser(description="Draw the pages of the command line.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--only", choices=PAGES)
    given = parser.parse_args()
    if shutil.which("tmux") is None:
        raise SystemExit("tmux is not installed: it is the terminal that is drawn")
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        terminal = Terminal(Path(temporary), given.width)
        try:
            make_project(Path(temporary), terminal)
            for name in [given.only] if given.only else PAGES:
                shown = terminal.type(PAGES[name], UNTIL.get(name))
                draw(PAGES[name], shown, given.width, given.folder / f"{name}.svg")
                print(f"drew {name}", flush=True)
                if name in UNTIL:  # to its end, before the next
                    terminal.type("")
        finally:
            terminal.close()


if __name__ == "__main__":
    main()
