"""The real program: streams, signals, pipes, terminals, exit codes, and what it does not import."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from datmo.cli.sections import continued
from tests.cli.conftest import PROGRAM, Done, environment, program

TALKATIVE = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(600)"
OBEDIENT = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)); {TALKATIVE}"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {TALKATIVE}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project, made by the real program."""
    folder = tmp_path / "iris"
    folder.mkdir()
    (folder / "train.py").write_text("print('accuracy: 0.9')\n")
    assert program("init", cwd=folder).id
    return folder


def started(*arguments: str, cwd: Path, **more: str) -> subprocess.Popen[bytes]:
    """Start the real program and go on."""
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )


def line_of(stream: object) -> str:
    return stream.readline().decode()  # type: ignore[attr-defined, no-any-return]


def on_terminal(
    *arguments: str, cwd: Path, keys: Mapping[str, str | Callable[[], None]], columns: int = 80, **more: str
) -> Done:
    """Run the real program on a terminal of its own, and type, or do, something when it says something."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    running = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=cwd,
        env=environment(**more),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown, left = b"", dict(keys)
    with suppress(OSError):  # a terminal whose other side is closed
        while part := os.read(ours, 4096):
            shown += part
            for words in [words for words in left if words.encode() in shown]:
                typed = left.pop(words)
                if callable(typed):
                    typed()
                elif typed == "Ctrl-C":
                    running.send_signal(signal.SIGINT)
                else:
                    os.write(ours, typed.encode() + b"\n")
    os.close(ours)
    return Done(running.wait(), shown.decode().replace("\r\n", "\n"), "")


def newest_task(home: Path) -> dict[str, object]:
    found: list[dict[str, object]] = program("task", "ls", "--format", "json", cwd=home).json
    return found[0]


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_main_function_is_the_program(home: Path) -> None:
    code = "import sys; from datmo.__main__ import main; sys.argv[0] = 'datmo'; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, "session", "ls"], cwd=home, env=environment(), check=False)
    assert done.returncode == 0


def test_the_main_job(home: Path) -> None:
    run = program("task", "run", "python train.py", cwd=home)
    assert (run.code, run.out) == (0, "accuracy: 0.9\n")
    made = program("snapshot", "create", "-m", "first", "--task-id", str(newest_task(home)["id"]), cwd=home)
    shown = program("snapshot", "inspect", made.id, "--format", "json", cwd=home)
    assert shown.json["stats"] == {"accuracy": 0.9}
    assert program("log", "verify", cwd=home).code == 0


LOADED = """
import os, sys

def leave(code, exit=os._exit):
    print(*sys.modules, file=sys.stderr, flush=True)
    exit(code)

os._exit = leave  # by which the program ends
from datmo.__main__ import main
leave(main())
"""


def loaded(*arguments: str, cwd: Path) -> set[str]:
    """Return the names of the modules that a command line has imported when it ends."""
    command = [sys.executable, "-c", LOADED, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False)
    found = set(done.stderr.split())
    assert "datmo.cli.overview" in found, done
    return found


@pytest.mark.parametrize("arguments", [["version"], ["--help"], ["-h"]])
def test_the_quick_answers_start_no_event_loop(tmp_path: Path, arguments: list[str]) -> None:
    assert (
        loaded(*arguments, cwd=tmp_path) & {"asyncclick", "anyio", "asyncio", "sqlite3", "datmo.engine.project"}
        == set()
    )


@pytest.mark.parametrize("arguments", [["snapshot", "--help"], ["task", "run", "--help"], ["log"]])
def test_help_does_not_import_the_engine(tmp_path: Path, arguments: list[str]) -> None:
    assert loaded(*arguments, cwd=tmp_path) & {"sqlite3", "datmo.engine.project"} == set()


@pytest.mark.parametrize(
    "arguments", [["snapshot", "ls"], ["task", "ls"], ["session", "ls"], ["status"], ["log", "ls"]]
)
def test_reading_commands_import_nothing_heavy(home: Path, arguments: list[str]) -> None:
    heavy = {"aiodocker", "aiohttp", "pygit2", "rich", "IPython", "importlib.metadata", "datmo.runner.supervisor"}
    assert loaded(*arguments, cwd=home) & heavy == set()


def test_output_is_passed_on_byte_for_byte(home: Path) -> None:
    code = r"import os; os.write(1, b'\xff\x00\r50%\r100%\n\xe2'); os.write(2, b'\x1b[31m\xfe')"
    command = [*PROGRAM, "task", "run", "--", "python", "-c", code]
    done = subprocess.run(command, cwd=home, env=environment(), capture_output=True, check=False)
    assert done.stdout == b"\xff\x00\r50%\r100%\n\xe2"
    assert b"\x1b[31m\xfe" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_the_task_in_order(home: Path, number: signal.Signals, code: int) -> None:
    running = started("task", "run", "--", "python", "-c", TALKATIVE, cwd=home)
    pid = int(line_of(running.stdout))
    running.send_signal(number)
    _, said = running.communicate()
    assert running.returncode == code
    assert b"stopping the task in order; Ctrl-C once more leaves at once\nstopped; `datmo task ls` shows it\n" in said
    assert b"Traceback" not in said
    assert not alive(pid)
    assert newest_task(home)["status"] == "STOPPED"
    assert list((home / ".datmo" / "tasks").iterdir()) == []


def test_a_second_ctrl_c_leaves_at_once(home: Path) -> None:
    running = started("task", "run", "--", "python", "-c", STUBBORN, cwd=home)
    pid = int(line_of(running.stdout))
    try:
        running.send_signal(signal.SIGINT)
        while "stopping the task" not in line_of(running.stderr):
            pass
        running.send_signal(signal.SIGINT)
        assert line_of(running.stderr) == "left at once: what still runs goes on by itself\n"
        assert running.wait() == 130
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)
        running.communicate()


def test_signals_that_the_caller_ignores_stay_ignored(home: Path) -> None:
    ignoring = f"trap '' HUP; exec {sys.executable} -m datmo log follow --after 0 --format json"
    running = subprocess.Popen(
        ["sh", "-c", ignoring], cwd=home, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    line_of(running.stdout)
    running.send_signal(signal.SIGHUP)
    assert program("session", "create", "later", cwd=home).id
    while "session.selected" not in (last := line_of(running.stdout)) or '"position":5' not in last:
        assert last
    running.terminate()
    assert running.communicate()[1] == b""
    assert running.returncode == 143


def test_follow_shows_what_other_processes_append_until_ctrl_c(home: Path) -> None:
    running = started("log", "follow", "--after", "2", "--format", "json", cwd=home)
    assert json.loads(line_of(running.stdout))["position"] == 3
    made = program("session", "create", "sweeps", cwd=home).id
    assert json.loads(line_of(running.stdout))["stream"] == f"session/{made}"
    assert json.loads(line_of(running.stdout))["type"] == "session.selected"
    running.send_signal(signal.SIGINT)
    assert running.communicate() == (b"", b"")
    assert running.returncode == 130


def test_follow_for_people_filters_by_type_and_entity(home: Path) -> None:
    running = started("log", "follow", "--after", "0", "--type", "session.created", "--entity", "session", cwd=home)
    assert re.fullmatch(r"2  \d\d:\d\d:\d\d  session.created  session/\w{4}  name=default\n", line_of(running.stdout))
    running.send_signal(signal.SIGINT)
    assert running.communicate() == (b"", b"")


@pytest.mark.parametrize("more", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_a_reader_that_goes_away_is_no_error(home: Path, more: dict[str, str]) -> None:
    (home / "config.json").write_text(json.dumps({"long": "x" * 300_000}))
    assert program("snapshot", "create", "-m", "large", cwd=home).id
    running = started("snapshot", "ls", "--format", "json", cwd=home, **more)
    assert running.stdout is not None
    assert running.stdout.read(1) == b"["
    running.stdout.close()
    running.stdout = None
    assert running.communicate()[1] == b""
    assert running.returncode == 128 + signal.SIGPIPE


@pytest.mark.parametrize("arguments", [["--help"], ["version"]])
def test_nor_is_one_who_never_read(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as out:
        done = subprocess.run([*PROGRAM, *arguments], stdout=out, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_task_goes_on_when_nobody_reads_its_output_any_more(home: Path) -> None:
    code = "for _ in range(5000): print('x' * 100)"
    running = started("task", "run", "--", "python", "-c", code, cwd=home)
    assert running.stdout is not None
    assert running.stdout.read(1) == b"x"
    running.stdout.close()
    running.stdout = None
    said = running.communicate()[1]
    assert running.returncode == 0
    assert b"SUCCESS" in said
    assert newest_task(home)["status"] == "SUCCESS"


def test_in_a_container_it_is_the_same(home: Path, base_image: str) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\n")
    code = "import sys; print('loss: 0.5'); print('warned', file=sys.stderr); sys.exit(3)"
    done = program("task", "run", "--", "python", "-c", code, cwd=home)
    assert (done.code, done.out) == (3, "loss: 0.5\n")
    assert "\nwarned\n" in done.err
    running = started("task", "run", "--", "python", "-c", OBEDIENT, cwd=home)
    line_of(running.stdout)
    running.send_signal(signal.SIGINT)
    assert b"stopping the task in order" in running.communicate()[1]
    assert running.returncode == 130
    assert newest_task(home)["status"] == "STOPPED"
    cleaned = program("cleanup", "--yes", cwd=home)
    assert (cleaned.code, "1 image" in cleaned.out) == (0, True)


def test_quiet_still_says_why_an_image_could_not_be_built(home: Path, base_image: str) -> None:
    (home / "Dockerfile").write_text(f"FROM {base_image}\nRUN echo built so far; exit 7\n")
    done = program("task", "run", "--quiet", "python train.py", cwd=home)
    assert (done.code, done.out) == (125, "")
    *printed, error, _ = done.err.splitlines()
    assert "  built so far" in printed
    assert error.startswith("error: the image could not be built at `RUN echo built so far; exit 7`")
    assert program("cleanup", "--yes", cwd=home).code == 0


def test_where_no_engine_answers_the_exit_code_is_that_of_docker_run(home: Path) -> None:
    (home / "Dockerfile").write_text("FROM python:3.11-slim\n")
    done = program("task", "run", "python train.py", cwd=home, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert (done.code, done.out) == (125, "")
    error, hint = [line for line in done.err.splitlines() if not line.startswith("  ")]
    assert error.startswith("error: no Docker engine answers at unix:///nowhere/docker.sock")
    assert "--executor process" in hint


def test_init_asks_for_a_name_on_a_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "flowers"
    folder.mkdir()
    shown = on_terminal("init", cwd=folder, keys={"Name of the project [flowers]:": "iris"})
    assert shown.code == 0
    assert program("status", "--format", "json", cwd=folder).json["name"] == "iris"
    again = on_terminal("init", "--description", "more", cwd=folder, keys={})
    assert "Name of the project" not in again.out


def test_init_takes_the_folders_name_where_nothing_is_typed(tmp_path: Path) -> None:
    assert on_terminal("init", cwd=tmp_path, keys={"Name of the project": ""}).code == 0
    assert program("status", "--format", "json", cwd=tmp_path).json["name"] == tmp_path.name


@pytest.mark.parametrize(("typed", "code", "left"), [("n", 1, True), ("", 1, True), ("y", 0, False), ("yes", 0, False)])
def test_cleanup_asks_on_a_terminal(home: Path, typed: str, code: int, left: bool) -> None:
    done = on_terminal("cleanup", cwd=home, keys={"Remove all this? [y/N]": typed})
    assert done.code == code
    assert str(home / ".datmo") in done.out.replace("\n", "")
    assert (home / ".datmo").exists() == left


def test_ctrl_c_at_a_question_ends_quietly(home: Path) -> None:
    done = on_terminal("cleanup", cwd=home, keys={"Remove all this?": "Ctrl-C"})
    assert done.code == 130
    assert "Traceback" not in done.out
    assert (home / ".datmo").exists()


def test_on_a_terminal_there_are_colours_unless_they_are_not_wanted(home: Path) -> None:
    assert "\x1b[1m" in on_terminal("session", "ls", cwd=home, keys={}).out
    assert "\x1b[" not in on_terminal("session", "ls", cwd=home, keys={}, NO_COLOR="1").out
    assert "\x1b[" not in on_terminal("session", "ls", cwd=home, keys={}, TERM="dumb").out
    assert "\x1b[" not in program("session", "ls", cwd=home).out
    assert on_terminal("zzz", cwd=home, keys={}).out.startswith("\x1b[31merror:\x1b[0m no such command")


@pytest.mark.parametrize("columns", [40, 60])
def test_a_table_fits_into_its_terminal(home: Path, columns: int) -> None:
    assert program("snapshot", "create", "-m", "a message that takes much room " * 3, cwd=home).id
    shown = on_terminal("snapshot", "ls", cwd=home, keys={}, columns=columns, NO_COLOR="1").out.splitlines()
    assert max(map(len, shown)) == columns
    assert shown[1].endswith("…")


def test_text_that_the_terminal_cannot_show_does_not_stop_us(home: Path) -> None:
    assert program("snapshot", "create", "-m", "größer", cwd=home).id
    done = program("snapshot", "ls", cwd=home, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (done.code, "gr??er" in done.out or "gr?" in done.out) == (0, True)
    assert (
        program("snapshot", "ls", "--format", "json", cwd=home, PYTHONIOENCODING="ascii").json[0]["message"] == "größer"
    )


def test_a_task_whose_program_was_killed_is_shown_as_unattended(home: Path) -> None:
    running = started("task", "run", "--", "python", "-u", "-c", "print('on'); import time; time.sleep(600)", cwd=home)
    assert line_of(running.stdout) == "on\n"
    running.kill()
    running.communicate()
    for command in (("task", "ls"), ("status",)):
        done = program(*command, cwd=home)
        assert done.code == 0
        assert "(unattended)" in done.out
        assert done.err.startswith("hint: unattended: whoever ran it was killed")
    assert program("cleanup", "--yes", cwd=home).code == 0


@pytest.mark.parametrize("width", [40, 60, 200])
def test_long_examples_are_broken_so_that_a_shell_takes_them_as_one(width: int) -> None:
    example = 'datmo task run -j 4 "python train.py --lr {lr}" --grid lr=0.1,0.01 --where \'a == "b c"\''
    lines = continued(example, width, 2)
    assert all(len(line) <= width for line in lines)
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert shlex.split("\n".join(lines).removeprefix("  $ ").replace("\\\n", "")) == shlex.split(example)
    assert len(lines) > 1 or width == 200
