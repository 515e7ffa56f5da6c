"""`--format json`: what every command writes is what the shipped schema says, key by key, on a real project."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import orjson
import pytest

import _documents
from datmo.cli.docs import FOLDER, SCHEMA
from datmo.cli.schemas import DOCUMENTS
from tests.cli.conftest import PROGRAM, Datmo, environment, program
from tests.cli.test_tree import TREE

pytestmark = pytest.mark.anyio

jsonschema: Any = import_module("jsonschema")  # nbclient brings it; it has no types

SHIPPED: dict[str, Any] = orjson.loads((FOLDER / SCHEMA).read_bytes())

COMMANDS = (
    ("version", "version"),
    ("task run --detach", "task run --detach {nap}"),
    ("status", "status"),
    ("session ls", "session ls"),
    ("snapshot ls", "snapshot ls"),
    ("snapshot ls", "snapshot ls --deleted"),
    ("snapshot inspect", "snapshot inspect best"),
    ("snapshot inspect", "snapshot inspect {of_task}"),
    ("snapshot diff", "snapshot diff best"),
    ("snapshot diff", "snapshot diff best {of_task}"),
    ("snapshot verify", "snapshot verify --all"),
    ("task run", "task run {command}"),
    ("task ls", "task ls"),
    ("task inspect", "task inspect {trained}"),
    ("task inspect", "task inspect {failed}"),
    ("task logs", "task logs {trained}"),
    ("task logs", "task logs {trained} --follow"),
    ("task metrics", "task metrics {trained}"),
    ("task metrics ID NAME", "task metrics {trained} loss"),
    ("task wait", "task wait {trained} {failed}"),
    ("environment setup", "environment setup --dockerfile"),
    ("environment ls", "environment ls"),
    ("environment inspect", "environment inspect {environment}"),
    ("environment diff", "environment diff {environment} {other_environment}"),
    ("config get", "config get stop.grace"),
    ("config ls", "config ls"),
    ("log ls", "log ls"),
    ("log ls", "log ls --limit 3 --reverse"),
    ("log show", "log show 1"),
    ("log show", "log show {output_position}"),
    ("log verify", "log verify"),
    ("log replay", "log replay"),
    ("log replay --to", "log replay --to {last_position}"),
    ("gc", "gc --dry-run"),
)
"""What is declared, and a command line that writes it; `log follow`, which does not end, has a test of its own."""

NO_JSON = {
    "init": "changes the project, and prints its id",
    "cleanup": "removes the project, once it has listed what goes",
    "session create": "prints the new id",
    "session delete": "prints nothing",
    "session undelete": "prints nothing",
    "session select": "prints nothing",
    "snapshot create": "prints the new id",
    "snapshot checkout": "prints the id",
    "task files": "prints where each file was written",
    "snapshot update": "prints nothing",
    "snapshot delete": "prints nothing",
    "snapshot undelete": "prints nothing",
    "snapshot export": "prints the name of the archive",
    "snapshot import": "prints the ids",
    "task rerun": "prints what the task prints",
    "task attach": "shows a live screen",
    "task stop": "prints nothing",
    "task recover": "prints nothing",
    "task plot": "draws for people; `task metrics` has the numbers",
    "environment create": "prints the id",
    "environment delete": "prints nothing",
    "config set": "prints nothing",
    "config unset": "prints nothing",
    "completion": "prints a script for a shell",
    "docs": "prints a page as it is",
}
"""Commands that have no JSON, and why: they change something, and print one id a line or nothing."""

MAY_STAY_EMPTY = {
    "EnvironmentDifference.platform", "Garbage.problems", "Proposal.notices", "Replay.unknown",
    "Build.image_id", "Build.base_image_id",  # of images: what is built here is none
}  # fmt: skip


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A project that has some of everything: its folder, and what the command lines name."""
    home = tmp_path_factory.mktemp("iris")

    def did(*arguments: str, code: int = 0) -> str:
        done = program(*arguments, cwd=home)
        assert done.code == code, done.err
        return done.out.strip()

    (home / "train.py").write_text(
        "import sys, datmo.task\n"
        "task = datmo.task.current()\n"
        "task.log(step=1, loss=0.5, ratio=float('nan'))\n"
        "task.log(step=2, loss=float('inf'))\n"
        "print('größer\\naccuracy: 0.9')\n"
        "print('no end', end='', file=sys.stderr)\n"
        "open('model.bin', 'w').write('weights')\n"
    )
    (home / "config.json").write_text('{"lr": 0.1, "model": {"depth": 3}}')
    (home / "stats.json").write_text('{"accuracy": 0.8}')
    git(home, "init", "--quiet")
    git(home, "add", "train.py")
    git(home, "commit", "--quiet", "--message", "first")
    (home / "data.bin").write_bytes(bytes(2000))
    did("init", "--name", "iris", "--description", "flowers")
    did("config", "set", "code.size_limit", "1k")
    did("task", "run", "python train.py --lr {lr}", "--grid", "lr=0.1")
    did("task", "run", "no-such-program", code=127)
    did("task", "run", "--name", "wrong", "--retries", "1", "sh -c 'exit 3'", code=3)
    _, failed, _, trained = [str(each["id"]) for each in orjson.loads(did("task", "ls", "--format", "json"))]
    did("task", "rerun", trained)
    did("snapshot", "delete", did("snapshot", "create", "-m", "a mistake"))
    (home / "requirements.txt").write_text("./tiny-1-py3-none-any.whl\n")
    with ZipFile(home / "tiny-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        wheel.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.dist-info/RECORD", "")
    did("environment", "create")
    (home / "train.py").write_text("print('shorter')\n")
    did("snapshot", "create", "-m", "the first", "-l", "best", "--filepaths", "train.py")
    of_task = did("snapshot", "create", "-m", "of the task", "--task-id", trained)
    other = orjson.loads(did("snapshot", "inspect", "best", "--format", "json"))["environment_id"]
    (home / "requirements.txt").unlink()
    (home / "config.json").write_text('{"lr": 0.2}')
    (home / "train.py").write_text("print('and again')\n")
    (home / ".datmo" / "checkout" / "stage").mkdir(parents=True)
    (home / ".datmo" / "checkout" / "stage" / "file").write_bytes(b"of a checkout that was killed")
    page = orjson.loads(did("task", "inspect", trained, "--format", "json"))
    output, *_ = orjson.loads(did("log", "ls", "--type", "task.output", "--format", "json"))
    return {
        "home": str(home),
        "trained": trained,
        "failed": failed,
        "of_task": of_task,
        "environment": page["environment_id"],
        "other_environment": other,
        "output_position": str(output["position"]),
        "command": "echo out",
        "nap": "sleep 300",
        "last_position": str(orjson.loads(did("log", "verify", "--format", "json"))["position"]),
    }


@pytest.fixture(scope="module")
def written(known: dict[str, str]) -> Iterator[dict[str, str]]:
    """What every command line writes, while a task runs."""
    found = {}
    for path, line in COMMANDS:
        done = program(*(word.format(**known) for word in line.split()), "--format", "json", cwd=Path(known["home"]))
        assert done.code == (1 if path == "task wait" else 0), done.err
        found[line] = done.out
    yield found
    assert program("task", "stop", "--all", cwd=Path(known["home"])).code == 0


def git(home: Path, *arguments: str) -> None:
    somebody = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *arguments], cwd=home, env=environment(**somebody), check=True)


def strict(found: Any) -> Any:
    """A schema that takes no key that it does not name."""
    if isinstance(found, dict):
        more = {"additionalProperties": False} if "properties" in found else {}
        return {name: strict(each) for name, each in found.items()} | more
    return [strict(each) for each in found] if isinstance(found, list) else found


def check(path: str, document: Any) -> None:
    schema = {"$defs": strict(SHIPPED["$defs"]), **strict(SHIPPED["commands"][path]["schema"])}
    validator = jsonschema.Draft202012Validator(schema)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)] == []


def documents(path: str, text: str) -> list[Any]:
    """The documents that a command wrote, each by itself."""
    if DOCUMENTS[path].form == "lines":
        return [orjson.loads(line) for line in text.splitlines()]
    found = orjson.loads(text)
    return found if DOCUMENTS[path].form == "list" else [found]


def test_the_shipped_schema_is_a_schema() -> None:
    found = [each["schema"] for each in SHIPPED["commands"].values()]
    jsonschema.Draft202012Validator.check_schema({"$defs": SHIPPED["$defs"], "anyOf": found})
    assert set(SHIPPED["commands"]) == set(DOCUMENTS)


def test_every_command_has_json_that_is_declared_or_a_reason_for_none() -> None:
    declared = {re.sub(r" (?=[A-Z-]).*", "", path) for path in DOCUMENTS}
    assert declared == {path for path, names in TREE.items() if "--format" in names}
    assert set(NO_JSON) == set(TREE) - declared
    assert {path for path, _ in COMMANDS} | {"log follow"} == set(DOCUMENTS)


BYTES = {"kept", "size_before", "size_after"}
"""Keys of bytes that do not end so."""


def test_a_name_says_what_kind_of_value_it_has() -> None:
    kinds = {
        "_at": "time",
        "_time": "time",
        "times": "time",
        "size": "bytes",
        "duration": "seconds",
        "seconds": "seconds",
    }
    found = 0
    for document in _documents.all_documents():
        for name, of in _documents.hints(document).items():
            expected = {kind for end, kind in kinds.items() if name.endswith(end)}
            shown = _documents.type_name(of).removeprefix("list of ").removesuffix(" or null")
            if expected or shown in kinds.values():
                assert {shown} == (expected or {shown if name in BYTES else ""}), (document.__name__, name)
                found += 1
            if name.endswith("_id"):
                assert shown.startswith(("id", "hash", "string")), (document.__name__, name)
    assert found > 25


@pytest.mark.parametrize(("path", "line"), COMMANDS, ids=[line for _, line in COMMANDS])
def test_a_command_writes_what_is_declared(written: dict[str, str], path: str, line: str) -> None:
    text = written[line]
    found = documents(path, text)
    assert found
    for each in [found] if DOCUMENTS[path].form == "list" else found:
        check(path, each)
    assert text.endswith("\n")


def test_what_is_followed_comes_a_line_at_a_time(known: dict[str, str]) -> None:
    with subprocess.Popen(
        [*PROGRAM, "log", "follow", "--after", "0", "--format", "json"],
        cwd=known["home"], env=environment(), stdout=subprocess.PIPE,
    ) as following:  # fmt: skip
        assert following.stdout is not None
        for _ in range(3):
            check("log follow", orjson.loads(following.stdout.readline()))
        following.terminate()


def test_output_comes_as_whole_lines_of_whole_characters(known: dict[str, str]) -> None:
    home = Path(known["home"])
    lines = documents("task logs", program("task", "logs", known["trained"], "--format", "json", cwd=home).out)
    by_stream = {name: [each["text"] for each in lines if each["stream"] == name] for name in ("stdout", "stderr")}
    assert by_stream == {"stdout": ["größer\n", "accuracy: 0.9\n"], "stderr": ["no end"]}


def test_inspect_has_every_key_of_the_list(known: dict[str, str]) -> None:
    home = Path(known["home"])
    for kind in ("snapshot", "task", "environment"):
        listed = program(kind, "ls", "--format", "json", cwd=home).json
        for each in listed:
            page = program(kind, "inspect", each["id"], "--format", "json", cwd=home).json
            assert {name: page[name] for name in each} == each


def test_numbers_that_json_lacks_are_marked(known: dict[str, str]) -> None:
    found = program("task", "metrics", known["trained"], "--format", "json", cwd=Path(known["home"])).json
    assert found["ratio"]["last"] == {"$float": "nan"}
    assert (found["loss"]["last"], found["loss"]["min"]) == ({"$float": "inf"}, 0.5)


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path != "version" and not path.startswith("config ")])
async def test_an_error_is_said_on_standard_error_and_standard_output_stays_empty(run: Datmo, path: str) -> None:
    """Here there is no project."""
    needed = {"log show": ["1"], "environment diff": ["a", "b"], "log replay --to": ["1"], "task run": ["true"]}
    words = path.removesuffix(" ID NAME").split()
    takes_id = words[1:] in (["inspect"], ["diff"], ["logs"], ["wait"], ["metrics"], ["run", "--detach"])
    more = needed.get(path, ["--all"] if path == "snapshot verify" else ["a"] if takes_id else [])
    done = await run(*words, *more, "--format", "json")
    assert (done.code, done.out) == (125 if words[:2] == ["task", "run"] else 3, "")
    assert [line.partition(":")[0] for line in done.err.splitlines()] == ["error", "hint"]


def test_no_declared_key_is_always_empty(known: dict[str, str], written: dict[str, str], tmp_path: Path) -> None:
    """What is said of a key would not be tried where it never has a value."""
    found: set[str] = set()
    for path, text in [*((path, written[line]) for path, line in COMMANDS), *damaged(known, tmp_path)]:
        schema = SHIPPED["commands"][path]["schema"]
        for each in documents(path, text):
            found |= set(filled(schema.get("items", schema), each))
    every = {
        f"{name.removesuffix('Page')}.{key}" for name, each in SHIPPED["$defs"].items() for key in each["properties"]
    }
    assert every - found == MAY_STAY_EMPTY


def damaged(known: dict[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    """What the commands that look for damage write where there is some."""
    home = shutil.copytree(known["home"], folder / "damaged")
    with closing(sqlite3.connect(home / ".datmo" / "log.db")) as connection, connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute('UPDATE event SET data = CAST(\'{"name":"x"}\' AS BLOB) WHERE position = 2')
        connection.execute("UPDATE session SET name = 'edited'")
    for pack in (home / ".datmo" / "objects" / "packs").iterdir():
        pack.chmod(0o600)
        pack.write_bytes(bytes(pack.stat().st_size))
    for path, *more in (["log verify"], ["log replay"], ["snapshot verify", "--all"]):
        done = program(*path.split(), *more, "--format", "json", cwd=home)
        assert done.code == 1, done.err
        check(path, done.json)
        yield path, done.out


def filled(schema: dict[str, Any], value: Any) -> Iterator[str]:
    """The keys of documents that have a value in them: `Document.key`."""
    for each in schema.get("anyOf", ()):
        yield from filled(each, value)
    if isinstance(value, list):
        for item in value:
            yield from filled(schema.get("items", schema), item)
    if not isinstance(value, dict):
        return
    if "additionalProperties" in schema:
        for item in value.values():
            yield from filled(schema["additionalProperties"], item)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        for key, below in SHIPPED["$defs"][name]["properties"].items():
            if value.get(key) not in (None, [], {}, ""):
                yield f"{name.removesuffix('Page')}.{key}"
                yield from filled(below, value[key])
