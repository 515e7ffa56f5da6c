"""Projects on network file systems: said, and never written by two hosts.

SQLite's write-ahead log lives in memory that the processes of one machine share; two machines that write one log would
damage it. On a local disk that cannot happen. On a network file system the first host that opens the project puts its
name into `.datmo/host`, and another one is refused.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from datmo.errors import ProjectBusy

__all__ = ["claim", "network_filesystem"]

_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|lustre|gpfs|beegfs|glusterfs|pvfs2|orangefs"
    r"|fuse\.(sshfs|glusterfs|ceph|s3fs|rclone|juicefs|beegfs|gcsfuse)"
)
_OCTAL = re.compile(r"\\([0-7]{3})")
_LOOKS = 100
_PAUSE_S = 0.02


def network_filesystem(folder: Path, mountinfo: str) -> str | None:
    """Return the type of the network file system that a folder lies on, None where it lies on a local one.

    Parameters:
        folder: an absolute path without links.
        mountinfo: the text of `/proc/self/mountinfo` (described in proc(5)).
    """
    found, longest = None, -1
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        mounted = _OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[4])
        # Of two mounts on one folder the later one is seen.
        if len(mounted) >= longest and folder.is_relative_to(mounted):
            found, longest = after.split(" ")[0], len(mounted)
    return found if found is not None and _NETWORK.fullmatch(found) else None


def claim(folder: Path, host: str | None = None, mountinfo: str | None = None) -> str | None:
    """Claim a project for this host, where it lies on a network file system.

    Parameters:
        folder: the project's `.datmo/`.
        host: this host's name.
        mountinfo: the text of `/proc/self/mountinfo`.

    Returns:
        A line for the user, or None on a local file system.

    Raises:
        ProjectBusy: another host has claimed it.
    """
    filesystem = network_filesystem(Path(os.path.realpath(folder)), _mounts() if mountinfo is None else mountinfo)
    if filesystem is None:
        return None
    if host is None:
        import socket  # not on the path of local projects

        host = socket.gethostname()
    path = folder / "host"
    try:
        # Whoever makes the file has the project: making it only where it is not is atomic, on network drives too.
        with path.open("x") as file:
            file.write(host)
    except FileExistsError:
        owner = _owner(path)
        if owner != host:
            raise ProjectBusy(
                f"{folder} lies on a network file system ({filesystem}) and is used by the host {owner!r}",
                hint=f"if nothing of {owner} uses it any more: rm {path}",
            ) from None
    return f"{folder} lies on a network file system ({filesystem}): only {host} may use it, and it will be slower"


def _owner(path: Path) -> str:
    """Return whose name is in a file; whoever has just made it writes that in a moment."""
    for _ in range(_LOOKS):
        if owner := path.read_text().strip():
            return owner
        time.sleep(_PAUSE_S)
    return ""


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:  # no such file on other systems than Linux
        return ""
