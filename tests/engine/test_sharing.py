"""Projects on network file systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from datmo.engine.sharing import claim, network_filesystem
from datmo.errors import ProjectBusy

LOCAL = "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw"
NFS = "40 22 0:50 / /mnt/team\\040share rw - nfs4 server:/export rw"
TMPFS_WITHIN = "41 40 0:51 / /mnt/team\\040share/scratch rw - tmpfs tmpfs rw"
MOUNTS = "\n".join((LOCAL, NFS, TMPFS_WITHIN))


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/home/me/project/.datmo", None),
        ("/mnt/team share/project/.datmo", "nfs4"),
        ("/mnt/team share/scratch/project/.datmo", None),
        ("/mnt/team shareholders/.datmo", None),
    ],
)
def test_the_mount_that_a_folder_lies_on_decides(folder: str, expected: str | None) -> None:
    assert network_filesystem(Path(folder), MOUNTS) == expected


def test_of_two_mounts_on_one_folder_the_later_one_is_seen() -> None:
    over = "42 40 0:52 / /mnt/team\\040share rw - ext4 /dev/vdb rw"
    assert network_filesystem(Path("/mnt/team share/x"), f"{MOUNTS}\n{over}") is None


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "lustre", "fuse.sshfs", "glusterfs"])
def test_network_file_systems_are_known_by_their_type(kind: str) -> None:
    assert network_filesystem(Path("/data"), f"1 0 0:1 / / rw - {kind} somewhere rw") == kind


def test_a_local_project_is_nobodys_and_nothing_is_written(tmp_path: Path) -> None:
    assert claim(tmp_path, "one", LOCAL) is None
    assert list(tmp_path.iterdir()) == []


def test_a_second_host_is_refused_until_the_claim_is_removed(tmp_path: Path) -> None:
    mounts = "1 0 0:1 / / rw - nfs4 server:/export rw"
    said = claim(tmp_path, "one", mounts)
    assert said is not None
    assert "network file system (nfs4)" in said
    assert claim(tmp_path, "one", mounts) == said
    with pytest.raises(ProjectBusy, match="used by the host 'one'") as refused:
        claim(tmp_path, "two", mounts)
    assert str(tmp_path / "host") in str(refused.value.hint)
    (tmp_path / "host").unlink()
    assert claim(tmp_path, "two", mounts) is not None
