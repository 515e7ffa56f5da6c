"""The README cannot drift: what it shows is run as it stands there."""

from __future__ import annotations

import re
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import PROGRAM, environment

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [body for language, body in BLOCKS if language == "python" and "task.current()" not in body]
INSIDE = [(language, body) for language, body in BLOCKS if language == "sh" or "task.current()" in body]
LINES = [shlex.split(line, comments=True) for language, body in BLOCKS if not language for line in body.splitlines()]
DATMO = [words[1:] for words in LINES if words[0] == "datmo"]
IDS = {"7k2m": "task", "91cd": "snapshot"}
"""The ids that the README makes up, and what has them."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of somebody who trains a model."""
    (tmp_path / "train.py").write_text("print('accuracy: 0.93')\n")
    return tmp_path


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0, (command, done.stderr.decode())
    return done.stdout.decode()


def newest(folder: Path, kind: str) -> str:
    found = orjson.loads(run(folder, *PROGRAM, kind, "ls", "--limit", "1", "--format", "json"))
    return str(found[0]["id"])


def with_real_ids(folder: Path, words: list[str]) -> list[str]:
    for made_up, kind in IDS.items():
        if any(made_up in word for word in words):
            real = newest(folder, kind)
            words = [word.replace(made_up, real) for word in words]
    return words


def followed(folder: Path, words: list[str]) -> str:
    """Return the first line that `log follow` shows of what another process does, and end it by Ctrl-C."""
    following = subprocess.Popen([*PROGRAM, *words], cwd=folder, env=environment(), stdout=subprocess.PIPE)
    assert following.stdout is not None
    with following:
        number = 0
        while not select.select([following.stdout], [], [], 0.2)[0]:
            assert following.poll() is None
            run(folder, *PROGRAM, "session", "create", f"session {number}")
            number += 1
        line = following.stdout.readline().decode()
        following.send_signal(signal.SIGINT)
    assert following.returncode == 128 + signal.SIGINT
    return line


def test_the_shell_lines_run_in_their_order(folder: Path) -> None:
    shown = {}
    for words in DATMO:
        show = followed if words[:2] == ["log", "follow"] else lambda folder, words: run(folder, *PROGRAM, *words)
        shown[" ".join(words)] = show(folder, with_real_ids(folder, words))
    assert shown["task run python train.py"] == "accuracy: 0.93\n"
    assert "first model" in shown["snapshot inspect best"]
    assert "snapshot.created" in shown["log ls --entity snapshot/91cd"]
    assert "session" in shown["log follow"]
    assert "equal to the live ones" in shown["log replay"]


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: "async" if "async def" in block else "sync")
def test_a_python_block_is_a_script_that_runs_in_a_project(folder: Path, block: str) -> None:
    run(folder, *PROGRAM, "init", "--name", "iris")
    (folder / "script.py").write_text(block)
    snapshot_id, stats = run(folder, sys.executable, "script.py").split(maxsplit=1)
    assert snapshot_id == newest(folder, "snapshot")
    assert stats.startswith("{'accuracy': 0.93}")


@pytest.mark.parametrize(("language", "block"), INSIDE, ids=lambda each: each if each in {"sh", "python"} else "")
def test_a_block_for_the_inside_of_a_task_is_one(folder: Path, language: str, block: str) -> None:
    run(folder, *PROGRAM, "init", "--name", "iris")
    (folder / "script").write_text(block)
    (folder / "model.pt").write_text("weights")
    run(folder, *PROGRAM, "task", "run", f"{language} script")
    known = orjson.loads(run(folder, *PROGRAM, "task", "inspect", newest(folder, "task"), "--format", "json"))
    assert known["results"] == {"accuracy": 0.97}
    assert known["metrics"]["loss"]["last_step"] == (99 if language == "python" else 3)


def test_every_other_line_calls_what_is_there() -> None:
    others = [words for words in LINES if words[0] != "datmo"]
    assert [words for words in others if words[0] != "python3"] == [["pip", "install", "."], ["cd", "my-model"]]
    assert all((ROOT / words[1]).is_file() for words in others if words[0] == "python3")


def test_the_table_of_rooms_names_every_folder_and_nothing_that_is_not_there() -> None:
    rooms = [row.split("|")[1] for row in README.splitlines() if row.startswith("| `datmo/")]
    named = {name.removeprefix("datmo/").rstrip("/") for name in re.findall(r"`([\w/.]+)`", " ".join(rooms))}
    folders = {file.parent.name for file in (ROOT / "datmo").glob("*/*.py")}
    assert named <= folders | {file.name for file in (ROOT / "datmo").glob("*.py")}
    assert folders <= named
