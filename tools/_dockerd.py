"""Bring up a Docker engine of one's own on a Debian machine, and leave nothing of it behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from _engine import EngineError, ping

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGES = {"dockerd": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap"}
_START_SECONDS = 60
_STOP_SECONDS = 30
_SOCKET_PATH_LIMIT = 108
_LONGEST_SOCKET = "exec/containerd/containerd-debug.sock"


def why_not_here() -> str | None:
    """None where this machine is one on which an engine can be brought up, else the reason."""
    release = Path("/etc/os-release")
    if not release.exists() or "ID=debian" not in release.read_text(encoding="utf-8").split():
        return "this is not Debian"
    if os.geteuid() != 0:
        return "this is not root"
    return None


def install(*programs: str) -> None:
    """Install what is missing of the programs that an engine and its base image need."""
    os.environ["PATH"] += os.pathsep + "/usr/sbin" + os.pathsep + "/sbin"
    missing = [_PACKAGES[program] for program in programs if shutil.which(program) is None]
    if missing:
        apt_install(*missing)


def apt_install(*packages: str) -> None:
    """Install packages of Debian's."""
    print(f"installing {', '.join(packages)}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "-q", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise EngineError(f"apt-get {command[0]} failed: {said}")


@contextmanager
def own_engine(folder: Path) -> Iterator[str]:
    """Start an engine that keeps everything in a folder; at the end stop it and remove the folder.

    What an earlier one that was killed left there is cleaned up first. Two at once wait for each other.
    """
    if len(str(folder / _LONGEST_SOCKET)) >= _SOCKET_PATH_LIMIT:
        raise EngineError(f"{folder} is too long a path for a socket; XDG_CACHE_HOME can name another place")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for the engine of another check to end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        _clean_up(folder)
        if other := _engine_in_this_network():
            raise EngineError(f"a Docker engine runs already (process {other}), but does not answer")
        try:
            yield _start(folder)
        finally:
            with _undisturbed():
                _stop(folder)
                _clean_up(folder)


def _start(folder: Path) -> str:
    folder.mkdir()
    host = f"unix://{folder}/docker.sock"
    command = ["dockerd", "--host", host, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    command += ["--pidfile", f"{folder}/pid"]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while problem := ping(host):
        if process.poll() is not None or time.monotonic() > deadline:
            last = (folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise EngineError(f"dockerd did not start ({problem}): {' '.join(last)}")
        time.sleep(0.1)
    return host


def _stop(folder: Path) -> None:
    try:
        pid = int((folder / "pid").read_text(encoding="ascii"))
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while _is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
    except (FileNotFoundError, ProcessLookupError):
        return  # it never came so far, or ended by itself: cleaning up does the rest


def _clean_up(folder: Path) -> None:
    """Remove what an engine left: its processes, its mounts, its files."""
    if not folder.exists():
        return
    for pid in _processes_of(folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while _processes_of(folder):
        time.sleep(0.05)
    remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Unmount whatever is mounted below a folder, then remove it."""
    for mount in reversed(_mounts_below(folder)):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
    if left := _mounts_below(folder):
        raise EngineError(f"{left[0]} is still mounted: {folder} is left as it is")
    shutil.rmtree(folder)


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = (line.split()[4].encode().decode("unicode_escape") for line in lines)
    return [point for point in points if point.startswith(f"{folder}/")]


def _processes_of(folder: Path) -> list[int]:
    """The parts of an engine whose command line names the folder, and all that they started."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            state, parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(process.name)] = int(parent)
        is_part = Path(command[0]).name.startswith(("dockerd", "containerd"))
        if is_part and state != "Z" and any(f"{folder}/" in word for word in command):
            found.add(int(process.name))
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def _engine_in_this_network() -> int | None:
    """A dockerd in this network namespace: a second one would take down the first one's bridge."""
    here = os.readlink("/proc/self/ns/net")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            same = (process / "comm").read_text().strip() == "dockerd" and os.readlink(process / "ns/net") == here
        except OSError:
            continue  # it ended meanwhile, or is not ours to look at
        if same:
            return int(process.name)
    return None


def _is_alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no further Ctrl-C break off the tidying up."""
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
