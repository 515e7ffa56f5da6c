"""Projects on network file systems."""

from __future__ import annotations

from pathlib import Path

import pytest

import datmo.aio as datmo
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


def test_a_claim_that_another_process_of_this_host_is_just_making_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "host").touch()
    monkeypatch.setattr("datmo.engine.sharing.time.sleep", lambda _: (tmp_path / "host").write_text("one"))
    assert claim(tmp_path, "one", "1 0 0:1 / / rw - nfs4 server:/export rw") is not None


@pytest.mark.anyio
async def test_a_project_that_another_host_has_claimed_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    async with datmo.init(tmp_path, name="shared"):
        pass
    # The mount table is the one part of a network drive that a test can have here.
    monkeypatch.setattr("datmo.engine.sharing._mounts", lambda: "1 0 0:1 / / rw - nfs4 server:/export rw")
    async with datmo.open(tmp_path, notice=said.append):
        assert "network file system (nfs4)" in said[0]
    (tmp_path / ".datmo" / "host").write_text("another")
    with pytest.raises(ProjectBusy, match="'another'"):
        async with datmo.open(tmp_path):
            raise AssertionError("it was opened")
