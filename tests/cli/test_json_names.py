"""Names that are not Unicode in `--format json`: they come as the schema says, and give the file's name back."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datmo.cli.schemas import DOCUMENTS
from tests.cli.conftest import PROGRAM, Done, environment
from tests.cli.test_json import check, documents

CODE, LARGE, LEFT, BESIDE, NEW = b"caf\xe9.py", b"l\xe4rge.bin", b"\xff.bin", b"b\xebside.bin", b"n\xe9w.py"

COMMANDS: dict[str, set[bytes]] = {
    "status": {CODE, LARGE, NEW, b"ir\xefs"},
    "snapshot inspect first": {LARGE, BESIDE},
    "snapshot inspect second": {LARGE, LEFT},
    "snapshot diff first": {CODE, LARGE, NEW},
    "snapshot diff first second": {LARGE, BESIDE, LEFT},
    "task inspect {task}": {LARGE, LEFT, CODE},
    "environment setup": {NEW},
    "task ls": set(),
    "snapshot ls": set(),
    "log ls": {LARGE, CODE},
    "log show {captured}": {LARGE},
    "snapshot verify --all": set(),
}
"""A command, and the names that it says."""


class Project:
    """A project whose folder, code and files have such names; there is no git."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.names: dict[str, str] = {}

    def run(self, *words: str | bytes) -> Done:
        done = subprocess.run(
            [*PROGRAM, *words],
            cwd=os.fsencode(self.home), env=environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def write(self, name: bytes, data: bytes) -> None:
        Path(self.home, os.fsdecode(name)).write_bytes(data)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    home = tmp_path_factory.mktemp("top") / os.fsdecode(b"ir\xefs")
    home.mkdir()
    made = Project(home)
    made.write(CODE, b"open(b'\\xff.bin', 'wb').write(b'left')\n")
    made.write(LARGE, bytes(5000))
    (home.parent / os.fsdecode(BESIDE)).write_bytes(b"beside")
    assert made.run("init", "--name", "iris").id
    assert made.run("config", "set", "code.size_limit", "1k").code == 0
    first = made.run(
        "snapshot", "create", "-m", "1", "-l", "first", "--filepaths", LARGE, "--filepaths", b"../" + BESIDE
    )
    assert first.id
    assert made.run("task", "run", b"python " + CODE).code == 0
    task = made.run("task", "ls", "--format", "json").json[0]["id"]
    assert made.run("snapshot", "create", "-m", "2", "-l", "second", "--task-id", task).id
    assert made.run("snapshot", "checkout", "first").id
    captured = made.run("log", "ls", "--type", "code.captured", "--format", "json").json[-1]["position"]
    made.names = {"task": task, "captured": str(captured)}
    made.write(CODE, b"print('other')\n")
    made.write(NEW, b"\xe9")
    made.write(LARGE, bytes(6000))
    return made


def special(value: Any) -> Iterator[bytes]:
    """What is text and not Unicode in a document, as the page `datmo docs json` says to read it."""
    if isinstance(value, dict) and set(value) == {"$text"}:
        yield os.fsencode(base64.b64decode(value["$text"]).decode("utf-8", "surrogatepass"))
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from special(each)


@pytest.mark.parametrize("line", COMMANDS)
def test_names_that_are_not_unicode_are_as_the_schema_says(project: Project, line: str) -> None:
    words = line.format(**project.names).split()
    done = project.run(*words, "--format", "json")
    assert done.code == 0, done.err
    path = " ".join(words[: 1 if words[0] == "status" else 2])
    found = documents(path, done.out)
    for each in [found] if DOCUMENTS[path].form == "list" else found:
        check(path, each)
    said = list(special(found))
    assert {name for name in COMMANDS[line] if any(text.endswith(name) for text in said)} == COMMANDS[line]


def test_what_is_damaged_is_named(project: Project) -> None:
    packs = project.home / ".datmo" / "objects" / "packs"
    kept = packs.rename(packs.with_name("away"))
    packs.mkdir()
    try:
        done = project.run("snapshot", "verify", "--all", "--format", "json")
    finally:
        packs.rmdir()
        kept.rename(packs)
    assert done.code == 1
    check("snapshot verify", done.json)
    assert {LARGE, BESIDE} & {*special(done.json)}


def test_a_configuration_whose_file_cannot_be_named_is_refused(project: Project) -> None:
    project.write(b"c\xf6nfig.json", b'{"lr": 0.1}')
    last = project.run("log", "ls", "--limit", "1", "--format", "json").out
    done = project.run("snapshot", "create", "-m", "x", "--config-filepath", b"c\xf6nfig.json")
    os.unlink(project.home / os.fsdecode(b"c\xf6nfig.json"))
    assert done.code == 2
    assert "the path of the config is no valid text" in done.err
    assert project.run("log", "ls", "--limit", "1", "--format", "json").out == last
