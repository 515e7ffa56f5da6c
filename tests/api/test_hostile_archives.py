"""Archives that somebody made to do harm, or that were damaged: each is refused by name, and nothing is recorded."""

from __future__ import annotations

import hashlib
import io
import random
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

import datmo.aio
from datmo.capture.archive import ArchiveReader
from datmo.capture.environment import environment_digest
from datmo.errors import ArchiveError
from datmo.objects.hashing import object_id

pytestmark = pytest.mark.anyio

WEIGHTS = random.Random(1).randbytes(1_500_000)


class Archive:
    """The entries of an archive, to be changed and written again."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            self.entries = {name: archive.read(name) for name in archive.namelist()}
        self.json = orjson.loads(self.entries["datmo.json"])
        self.events = [orjson.loads(line) for line in self.entries["events.jsonl"].splitlines()]
        self.raw: list[tuple[zipfile.ZipInfo, bytes]] = []

    @property
    def large(self) -> str:
        """The id of the large object."""
        return object_id(WEIGHTS)

    @property
    def only(self) -> dict[str, Any]:
        """The data of the snapshot's creation."""
        data: dict[str, Any] = self.events[0]["data"]
        return data

    def add(self, name: str, data: bytes = b"x", mode: int = 0, **more: Any) -> None:
        """Add an entry as it is, whatever that may be."""
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        for key, value in more.items():
            setattr(info, key, value)
        self.raw.append((info, data))

    def put(self, data: bytes) -> str:
        """Add an object in order; returns its id."""
        new = object_id(data)
        self.json["objects"][new] = len(data)
        self.entries[f"objects/{new}"] = data
        return new

    def put_git(self, kind: str, data: bytes) -> str:
        oid: str = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data).hexdigest()
        self.json["git"][oid] = kind
        self.entries[f"git/{oid}"] = data
        return oid

    def drop(self, kind: str, each: str) -> None:
        del self.json[kind][each], self.entries[f"{kind}/{each}"]

    def new_tree(self, data: bytes) -> None:
        """Let the code be another tree, with nothing in it but files that are there."""
        for each in list(self.json["git"]):
            self.drop("git", each)
        ((_, code),) = self.json["code"].items()
        code["tree"] = self.put_git("tree", data)

    def new_list(self, data: bytes, count: int, size: int) -> None:
        """Let the list of the files be other bytes, and all else fit to that."""
        ((old, _),) = self.json["files"].items()
        self.drop("objects", old)
        self.drop("objects", self.large)
        new = self.put(data)
        self.json["files"] = {new: {"count": count, "size": size}}
        self.only["file_collection_id"] = new

    def save(self, path: Path) -> None:
        """Write it, with all that follows from what was changed."""
        events = b"".join(orjson.dumps(event) + b"\n" for event in self.events)
        self.json["events"] = object_id(events)
        self.entries |= {"datmo.json": orjson.dumps(self.json), "events.jsonl": events}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in self.entries.items():
                archive.writestr(name, data)
            for info, data in self.raw:
                archive.writestr(info, data)


def leaf(mode: bytes, name: bytes, data: bytes = b"") -> bytes:
    return mode + b" " + name + b"\0" + hashlib.sha1(b"blob %d\0" % len(data) + data).digest()


def no_object(archive: Archive) -> None:
    archive.drop("objects", archive.large)


def wrong_object(archive: Archive) -> None:
    archive.entries[f"objects/{archive.large}"] = WEIGHTS[:-1] + b"X"


def wrong_small_object(archive: Archive) -> None:
    (environment,) = archive.json["environments"].values()
    (small,) = environment["files"].values()
    archive.entries[f"objects/{small}"] = archive.entries[f"objects/{small}"][:-1] + b"X"


def wrong_size(archive: Archive) -> None:
    archive.json["objects"][archive.large] += 1


def wrong_list(archive: Archive) -> None:
    (listed,) = archive.json["files"]
    archive.entries[f"objects/{listed}"] = archive.entries[f"objects/{listed}"].replace(b"weights", b"weightz")


def wrong_git(archive: Archive) -> None:
    blob = next(each for each, kind in archive.json["git"].items() if kind == "blob")
    archive.entries[f"git/{blob}"] += b"X"


def blob_as_tree(archive: Archive) -> None:
    blob = next(each for each, kind in archive.json["git"].items() if kind == "blob")
    archive.json["git"][blob] = "tree"


def no_git(archive: Archive) -> None:
    archive.drop("git", next(each for each, kind in archive.json["git"].items() if kind == "blob"))


def more_git(archive: Archive) -> None:
    archive.put_git("blob", b"nobody asked for it")


def more_objects(archive: Archive) -> None:
    archive.put(b"nobody asked for it")


def wrong_environment(archive: Archive) -> None:
    (environment,) = archive.json["environments"].values()
    environment["platform"]["machine"] = "another"


def environment_outside(archive: Archive) -> None:
    ((old, environment),) = archive.json["environments"].items()
    environment["files"] = {"../../.ssh/authorized_keys": next(iter(environment["files"].values()))}
    new = environment_digest(
        environment["kind"], environment["definition"], environment["files"], environment["platform"]
    )
    archive.json["environments"] = {new: environment}
    archive.only["environment_id"] = new
    assert old != new


def list_outside(archive: Archive) -> None:
    archive.new_list(b"datmo files 1\nproject 644 1 " + object_id(b"x").encode() + b" ../../x\0\n", 1, 1)


def list_absolute(archive: Archive) -> None:
    archive.new_list(b"datmo files 1\noutside 644 1 " + object_id(b"x").encode() + b" /etc/passwd\0\n", 1, 1)


def list_into_git(archive: Archive) -> None:
    archive.new_list(b"datmo files 1\nproject 755 1 " + object_id(b"x").encode() + b" .git/hooks/post-commit\0\n", 1, 1)


def list_too_new(archive: Archive) -> None:
    archive.new_list(b"datmo files 2\n", 0, 0)


def list_miscounted(archive: Archive) -> None:
    archive.new_list(b"datmo files 1\n", 1, 0)


def large_outside(archive: Archive) -> None:
    (code,) = archive.json["code"].values()
    code["large"] = [["../x", archive.large, len(WEIGHTS), 0o644]]


def config_outside(archive: Archive) -> None:
    archive.only["config_path"] = "../../config.json"


def config_in_git(archive: Archive) -> None:
    archive.only["config_path"] = ".git/config"


def tree_of(*leaves: bytes) -> Callable[[Archive], None]:
    def change(archive: Archive) -> None:
        archive.new_tree(b"".join(leaves))
        archive.put_git("blob", b"")

    return change


def tree_into_itself(archive: Archive) -> None:
    archive.new_tree(leaf(b"100644", b"a"))  # whose blob is not there


def event_of(**changes: Any) -> Callable[[Archive], None]:
    def change(archive: Archive) -> None:
        archive.events[0] |= changes

    return change


def data_of(**changes: Any) -> Callable[[Archive], None]:
    def change(archive: Archive) -> None:
        archive.only.update(changes)

    return change


def contents_of(**changes: Any) -> Callable[[Archive], None]:
    def change(archive: Archive) -> None:
        archive.json |= changes

    return change


def entry_of(name: str, **more: Any) -> Callable[[Archive], None]:
    def change(archive: Archive) -> None:
        archive.add(name, **more)

    return change


def created_twice(archive: Archive) -> None:
    archive.events.append(archive.events[0])


def of_another(archive: Archive) -> None:
    archive.events[0]["stream"] = "snapshot/" + "z" * 16


def no_history(archive: Archive) -> None:
    archive.json["snapshots"].append("z" * 16)


CHANGES: dict[str, tuple[Callable[[Archive], None], str]] = {
    "a path outside": (entry_of("../../outside"), "leads out of the archive"),
    "a path outside below": (entry_of("objects/../../outside"), "leads out of the archive"),
    "a path outside with backslashes": (entry_of("..\\outside"), "leads out of the archive"),
    "an absolute path": (entry_of("/etc/passwd"), "absolute path"),
    "a drive": (entry_of("C:/windows"), "absolute path"),
    "a link": (entry_of("objects/" + "0" * 64, data=b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "is a link"),
    "a device": (entry_of("objects/" + "0" * 64, mode=stat.S_IFCHR | 0o666), "is no regular file"),
    "a pipe": (entry_of("objects/" + "0" * 64, mode=stat.S_IFIFO | 0o666), "is no regular file"),
    "a folder": (entry_of("objects/"), "does not belong there"),
    "another file": (entry_of("readme.txt"), "does not belong there"),
    "an object more": (entry_of("objects/" + "0" * 64), "does not belong there"),
    "a name in capitals": (entry_of("objects/" + "A" * 64), "does not belong there"),
    "another compression": (entry_of("objects/" + "0" * 64, compress_type=zipfile.ZIP_BZIP2), "compressed in a way"),
    "no object": (no_object, "is missing"),
    "another object": (wrong_object, "its bytes do not have that hash"),
    "another small object": (wrong_small_object, "does not have the hash"),
    "another size": (wrong_size, "another size"),
    "another list": (wrong_list, "does not have the hash"),
    "another git object": (wrong_git, "does not have the hash"),
    "a blob as a tree": (blob_as_tree, "does not have the hash"),
    "no git object": (no_git, "is missing"),
    "a git object more": (more_git, "belongs to nothing"),
    "an object that belongs to nothing": (more_objects, "belongs to nothing"),
    "another environment": (wrong_environment, "does not have the hash"),
    "an environment outside": (environment_outside, "a file that cannot be"),
    "a list that leads outside": (list_outside, "is not a path inside"),
    "a list with an absolute path": (list_absolute, "is not a path inside"),
    "a list that writes a hook": (list_into_git, "not the user's"),
    "a list that is too new": (list_too_new, "has format 2"),
    "a list miscounted": (list_miscounted, "another number of files"),
    "a large file outside": (large_outside, "a file that cannot be"),
    "a config outside": (config_outside, "leads out of the project"),
    "a config in git": (config_in_git, "leads out of the project"),
    "code that leads outside": (tree_of(leaf(b"100644", b"..")), "cannot be written safely"),
    "code with a path as a name": (tree_of(leaf(b"100644", b"a/b")), "cannot be written safely"),
    "code that writes git's settings": (tree_of(leaf(b"100644", b".GIT")), "cannot be written safely"),
    "code with a device": (tree_of(leaf(b"60666", b"sda")), "cannot be written safely"),
    "code with a name twice": (tree_of(leaf(b"120000", b"a"), leaf(b"100644", b"a")), "not in the form"),
    "code with half a tree": (tree_of(leaf(b"100644", b"a")[:-5]), "not in the form"),
    "code with a tree that is none": (tree_of(b"no tree at all"), "cannot be read"),
    "code that is not there": (tree_into_itself, "is missing"),
    "a format that is too new": (contents_of(format=2), "has format 2, this Datmo reads archives up to format 1"),
    "no format": (contents_of(format=None), "does not say which format"),
    "no snapshots": (contents_of(snapshots=[]), "have no ids"),
    "a snapshot that is no id": (contents_of(snapshots=["../x"]), "have no ids"),
    "no list of code": (contents_of(code=[]), "has no code that can be"),
    "other code": (contents_of(code={}), "code_id is not that"),
    "an event of another kind": (event_of(type="task.created"), "does not belong there"),
    "an event of another stream": (of_another, "does not belong there"),
    "an event from the future": (event_of(schema=99), "written by a newer Datmo"),
    "an event at no time": (event_of(recorded_us=1 << 62), "recorded at no time"),
    "an event before all time": (event_of(recorded_us=-1), "recorded at no time"),
    "an event twice": (created_twice, "does not belong there"),
    "a snapshot without history": (no_history, "there is no history"),
    "a message that is none": (data_of(message=" "), "has no message"),
    "a message that is a number": (data_of(message=3), "no message that can be"),
    "a config that is a list": (data_of(config=[1]), "no config that can be"),
    "a config with a wrong time": (data_of(config={"at": {"$time": "never"}}), "cannot be read"),
    "a label that is no text": (data_of(label={"$text": "7aCA"}), "no valid text"),
}


@pytest.fixture
async def archive(tmp_path: Path) -> Path:
    home = tmp_path / "source"
    home.mkdir()
    (home / "train.py").write_text("print(1)\n")
    (home / "requirements.txt").write_text("six==1.16.0\n")
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    async with datmo.aio.init(home, name="source") as project:
        await project.snapshots.create("model", config={"lr": 0.1}, filepaths=[tmp_path / "weights.bin"])
        await project.snapshots.export_archive(tmp_path / "good.zip")
    return tmp_path / "good.zip"


def around(home: Path) -> set[Path]:
    """All that lies outside of the project's own folder, far and wide."""
    return {path for path in home.parent.parent.rglob("*") if home / ".datmo" not in path.parents} | {home / ".datmo"}


async def refused(home: Path, archive: Path) -> str:
    """Import an archive that must be refused, check that nothing came of it, and return what was said."""
    before = around(home)
    async with datmo.aio.init(home, name="target") as project:
        head = await project.log.head()
        with pytest.raises(ArchiveError) as caught:
            await project.snapshots.import_archive(archive)
        assert await project.log.head() == head
        assert await project.snapshots.ls() == []
        await project.gc()
    left = [path for name in ("packs", "large", "tmp") for path in (home / ".datmo" / "objects" / name).rglob("*")]
    assert [path for path in left if path.is_file()] == []
    assert around(home) == before | {home / ".datmo"}
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "target" / "home"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", CHANGES)
async def test_what_was_changed_is_refused(archive: Path, home: Path, tmp_path: Path, name: str) -> None:
    change, message = CHANGES[name]
    changed = Archive(archive)
    change(changed)
    changed.save(tmp_path / "bad.zip")
    assert message in await refused(home, tmp_path / "bad.zip")


async def test_what_was_not_changed_is_taken(archive: Path, home: Path, tmp_path: Path) -> None:
    Archive(archive).save(tmp_path / "same.zip")
    async with datmo.aio.init(home, name="target") as project:
        (found,) = (await project.snapshots.import_archive(tmp_path / "same.zip")).snapshots
        assert found.message == "model"
        assert (await project.snapshots.verify()).ok


@pytest.mark.parametrize("left_out", [0.0, 0.1, 0.5, 0.99, 1.0])
async def test_one_that_is_cut_short_is_refused(archive: Path, home: Path, tmp_path: Path, left_out: float) -> None:
    data = archive.read_bytes()
    (tmp_path / "bad.zip").write_bytes(data[: int((1 - left_out) * len(data)) - (left_out == 0)])
    assert "cut short" in await refused(home, tmp_path / "bad.zip")


async def test_one_that_is_not_there_is_refused(home: Path, tmp_path: Path) -> None:
    assert "No such file" in await refused(home, tmp_path / "nowhere.zip")


async def test_each_byte_of_its_objects_counts(archive: Path, home: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as reader:
        infos = [info for info in reader.infolist() if info.filename.startswith(("objects/", "git/"))]
    for info in infos:
        data = bytearray(archive.read_bytes())
        place = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
        data[place] ^= 1
        (tmp_path / "bad.zip").write_bytes(data)
        assert "is damaged" in await refused(home, tmp_path / "bad.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["events.jsonl", "datmo.json"])
async def test_a_name_twice_is_refused(archive: Path, home: Path, tmp_path: Path, name: str) -> None:
    changed = Archive(archive)
    changed.add(name, b"{}")
    changed.save(tmp_path / "bad.zip")
    assert "is there twice" in await refused(home, tmp_path / "bad.zip")


async def test_another_beginning_is_refused(home: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("events.jsonl", "")
        archive.writestr("datmo.json", "{}")
    assert "does not begin with datmo.json" in await refused(home, tmp_path / "bad.zip")


def patched(archive: Path, name: str, **fields: int) -> bytes:
    """An archive whose directory, and the entry's own header, say something else of an entry."""
    with zipfile.ZipFile(archive) as reader:
        info = reader.getinfo(name)
        start = reader.start_dir
    data = bytearray(archive.read_bytes())
    record = data.index(b"PK\x01\x02", data.index(name.encode(), start) - 46)
    places = {"flags": (8, 6, "<H"), "crc": (16, 14, "<I"), "compressed": (20, 18, "<I"), "size": (24, 22, "<I")}
    for field, value in fields.items():
        in_directory, in_header, form = places[field]
        struct.pack_into(form, data, record + in_directory, value)
        struct.pack_into(form, data, info.header_offset + in_header, value)
    return bytes(data)


async def test_a_bomb_that_says_how_large_it_is_is_refused(archive: Path, home: Path, tmp_path: Path) -> None:
    name = f"objects/{Archive(archive).large}"
    (tmp_path / "bad.zip").write_bytes(patched(archive, name, size=0xF0000000))
    assert "cannot be as large as the archive says" in await refused(home, tmp_path / "bad.zip")


async def test_a_bomb_that_says_it_is_small_ends_where_it_should(archive: Path, home: Path, tmp_path: Path) -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = bytes(1 << 20)
    packed = b"".join(bomb.compress(zeros) for _ in range(500)) + bomb.flush()
    changed = Archive(archive)
    large = changed.large
    changed.save(tmp_path / "plain.zip")
    buffer = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "plain.zip") as reader, zipfile.ZipFile(buffer, "w") as writer:
        for info in reader.infolist():
            if info.filename != f"objects/{large}":
                writer.writestr(info, reader.read(info))
    data = buffer.getvalue()
    # By hand: the entry holds half a gigabyte of zeros, and says that it has the size of the object.
    name, start = f"objects/{large}".encode(), data.index(b"PK\x01\x02")
    common = struct.pack(
        "<HHHHIIIH", 0, 8, 0, 33, zlib.crc32(bytes(len(WEIGHTS))), len(packed), len(WEIGHTS), len(name)
    )
    header = b"PK\x03\x04" + struct.pack("<H", 20) + common + struct.pack("<H", 0) + name
    directory = (
        b"PK\x01\x02" + struct.pack("<HH", 20, 20) + common + struct.pack("<HHHHII", 0, 0, 0, 0, 0, start) + name
    )
    count = data.count(b"PK\x01\x02") + 1
    new = data[:start] + header + packed
    listed = data[start : data.rindex(b"PK\x05\x06")] + directory
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(listed), len(new), 0)
    (tmp_path / "bad.zip").write_bytes(new + listed + end)
    said = await refused(home, tmp_path / "bad.zip")
    assert "is damaged" in said


async def test_one_that_would_fill_the_disk_is_refused(
    archive: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    assert "are free" in await refused(home, archive)


async def test_entries_that_lie_one_over_the_other_are_refused(archive: Path, home: Path, tmp_path: Path) -> None:
    name = f"objects/{Archive(archive).large}"
    (tmp_path / "bad.zip").write_bytes(patched(archive, name, compressed=0x7FFFFFFF, size=0x7FFFFFFF))
    assert "one over the other" in await refused(home, tmp_path / "bad.zip")


async def test_an_encrypted_entry_is_refused(archive: Path, home: Path, tmp_path: Path) -> None:
    name = f"objects/{Archive(archive).large}"
    (tmp_path / "bad.zip").write_bytes(patched(archive, name, flags=1))
    assert "is encrypted" in await refused(home, tmp_path / "bad.zip")


def test_a_list_of_contents_that_grows_without_end_is_not_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("datmo.json", b" " * (600 << 20))
    with pytest.raises(ArchiveError, match="larger than any can be"):
        ArchiveReader(tmp_path / "bad.zip", tmp_path)
