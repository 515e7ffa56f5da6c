"""See Datmo at work: train an iris model as a recorded task, and keep it as a snapshot.

    python3 tools/quickstart.py

It needs nothing but Python and git. Datmo is installed into a virtual environment of its own here
(`.venv-quickstart`), the example runs in a new folder, and each command is shown as you would type it. Where
a Docker engine answers, the training runs in a container, else as a process.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from _engine import EngineError, default_host, image_exists, ping, pull
from _fitted import fitted
from _venv import make_venv, pip_install

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "iris"
IMAGE = "python:3.11-slim"
NOT_OF_THE_COMMAND = 125  # `datmo task run`: Datmo failed, not the command that it ran


class Stopped(Exception):
    """A command failed; it has said why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


class Demo:
    """A project folder, and the commands that are run in it."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder

    def datmo(self, *arguments: str) -> None:
        """Show a command, then run it."""
        print(f"\n$ {shlex.join(['datmo', *arguments])}", flush=True)
        done = subprocess.run([str(self._program), *arguments], cwd=self._folder, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise Stopped(done.returncode)

    def newest(self, kind: str) -> str:
        """The id of the newest task or snapshot."""
        command = [str(self._program), kind, "ls", "--format", "json"]
        done = subprocess.run(command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise Stopped(done.returncode)
        return str(json.loads(done.stdout)[0]["id"])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the example's project is made (default: a new folder)")
    options = parser.parse_args(arguments)
    try:
        program = install()
        if options.folder:
            options.folder.mkdir(parents=True)
        folder = (options.folder or Path(tempfile.mkdtemp(prefix="datmo-iris-"))).resolve()
        run(Demo(program, folder), folder)
    except (EngineError, FileExistsError) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1
    except Stopped as stopped:
        return stopped.code
    except KeyboardInterrupt:
        return 130
    print(f"\nThe project is yours to play with: cd {shlex.quote(str(folder))}; the program is {program}")
    return 0


def install() -> Path:
    """Install this copy of Datmo into a virtual environment and return its program."""
    venv = ROOT / ".venv-quickstart"
    print(f"Installing Datmo into {venv}", flush=True)
    probe = f"import pip, sys; sys.exit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    python = str(venv / "bin" / "python")
    if not venv.exists() or subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode:
        make_venv(venv)
    pip_install(venv, str(ROOT))
    return venv / "bin" / "datmo"


def run(demo: Demo, folder: Path) -> None:
    """Go through the example, from an empty folder to a snapshot."""
    for name in ("train.py", "requirements.txt"):
        shutil.copy(EXAMPLE / name, folder)
    reason = why_no_container()
    if reason:
        print(f"The training runs as a process: {reason}")
    else:
        print(f"The training runs in a container: a Docker engine answers at {default_host()} and has {IMAGE}")
        text = (EXAMPLE / "Dockerfile").read_text(encoding="utf-8")
        (folder / "Dockerfile").write_text(fitted(text, folder), encoding="utf-8")
    demo.datmo("init", "--name", "iris", "--description", "first steps")
    try:
        demo.datmo("task", "run", "python train.py")
    except Stopped as stopped:
        if reason or stopped.code != NOT_OF_THE_COMMAND:
            raise
        print("\nThe container did not come up (see above). Without the Dockerfile the training is a process:")
        (folder / "Dockerfile").unlink()
        demo.datmo("task", "run", "python train.py")
    demo.datmo("snapshot", "create", "-m", "the first model", "--task-id", demo.newest("task"))
    demo.datmo("snapshot", "ls")
    demo.datmo("snapshot", "inspect", demo.newest("snapshot"))


def why_no_container() -> str | None:
    """None where an engine answers that has the example's base image or can fetch it, else the reason."""
    host = default_host()
    if problem := ping(host):
        return f"no Docker engine answers at {host} ({problem})"
    try:
        if not image_exists(host, IMAGE) and (problem := pull(host, IMAGE, timeout=30)):
            return f"the Docker engine at {host} has no {IMAGE} and cannot fetch it ({problem})"
    except EngineError as error:
        return f"the Docker engine at {host} does not list its images ({error})"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
