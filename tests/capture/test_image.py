"""The key of an image, and the context that it is built from."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, BinaryIO

import aiodocker
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from datmo.capture.image import build_context, image_key

if TYPE_CHECKING:
    from pathlib import Path

    from datmo.capture.image import BuildContext, CodeFile

Tree = dict[str, tuple[int, bytes]]

REGULAR, PROGRAM, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000
DOCKERFILE = b"FROM scratch\nCOPY src *.toml /app/\n"
ENVIRONMENT = "e" * 64

names = st.sampled_from(["a.py", "src/a.py", "src/sub/b", "srcx", "x.toml", "sub/x.toml", "data/big", "\udce9.toml"])
contents = st.tuples(st.sampled_from([REGULAR, PROGRAM]), st.binary(max_size=3))
trees = st.dictionaries(names, contents)


def listed(tree: Tree) -> list[CodeFile]:
    return [(path, mode, blake3(content).digest()) for path, (mode, content) in tree.items()]


def key(tree: Tree, dockerfile: bytes = DOCKERFILE, dockerignore: bytes | None = None) -> str:
    return image_key(ENVIRONMENT, dockerfile, dockerignore, listed(tree))


def context(
    tree: Tree, dockerfile: bytes = DOCKERFILE, dockerignore: bytes | None = None, name: str = "Dockerfile"
) -> BuildContext:
    def open_file(path: str) -> BinaryIO:
        return io.BytesIO(tree[path][1])

    return build_context(name, dockerfile, dockerignore, listed(tree), open_file)


def unpacked(built: BuildContext) -> dict[str, tuple[int, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(built.chunks)), errors="surrogateescape") as tar:
        return {
            member.name: (member.mode, file.read() if (file := tar.extractfile(member)) else b"")
            for member in tar
            if not member.issym()
        }


def is_named(path: str) -> bool:
    return path.startswith("src/") or (path.endswith(".toml") and "/" not in path)


# --- the key


@given(tree=trees, path=names, content=contents)
def test_the_key_changes_with_the_files_that_copy_names_and_with_no_other(
    tree: Tree, path: str, content: tuple[int, bytes]
) -> None:
    changed = {**tree, path: content}
    assert (key(changed) == key(tree)) == (not is_named(path) or tree.get(path) == content)


@given(tree=trees, ignored=st.sets(names))
def test_what_dockerignore_leaves_out_is_as_if_it_were_not_there(tree: Tree, ignored: set[str]) -> None:
    rules = "".join(f"{path}\n" for path in ignored).encode(errors="surrogateescape")
    kept = {path: entry for path, entry in tree.items() if path not in ignored}
    assert key(tree, dockerignore=rules) == key(kept)
    assert set(unpacked(context(kept))) - {".dockerignore"} == set(unpacked(context(tree, dockerignore=rules))) - {
        ".dockerignore"
    }


@given(tree=trees)
def test_neither_key_nor_context_depend_on_the_order_of_the_files(tree: Tree) -> None:
    turned = dict(reversed(tree.items()))
    assert key(turned) == key(tree)
    assert b"".join(context(turned).chunks) == b"".join(context(tree).chunks)


def test_the_key_changes_with_the_environment() -> None:
    assert image_key("1", DOCKERFILE, None, []) != image_key("2", DOCKERFILE, None, [])


def test_a_program_is_another_file_than_one_that_cannot_be_run() -> None:
    assert key({"src/a": (REGULAR, b"")}) != key({"src/a": (PROGRAM, b"")})


@pytest.mark.parametrize("link", ["src", "link.toml", "src/sub"])
def test_where_a_link_may_lead_a_source_anywhere_the_whole_context_counts(link: str) -> None:
    dockerfile = b"FROM scratch\nCOPY src/sub/a *.toml /app/\n"
    tree: Tree = {link: (LINK, b"data"), "data/a": (REGULAR, b"1")}
    assert key(tree, dockerfile) != key({**tree, "data/a": (REGULAR, b"2")}, dockerfile)
    aside: Tree = {"other": (LINK, b"data"), "data/a": (REGULAR, b"1")}
    assert key(aside, dockerfile) == key({**aside, "data/a": (REGULAR, b"2")}, dockerfile)


# --- the context


def test_the_context_is_the_code_as_it_was_captured() -> None:
    tree: Tree = {
        "Dockerfile": (REGULAR, DOCKERFILE),
        "src/run": (PROGRAM, b"#!/bin/sh\n"),
        "src/\udce9" + "x" * 200: (REGULAR, b"\0" * 513),
        "link": (LINK, b"src/run"),
        "library": (SUBMODULE, b""),
    }
    built = context(tree)
    assert built.dockerfile == "Dockerfile"
    with tarfile.open(fileobj=io.BytesIO(b"".join(built.chunks)), errors="surrogateescape") as tar:
        members = {member.name: member for member in tar}
    assert list(members) == sorted([*tree, "src"])
    assert (members["src/run"].mode, members["Dockerfile"].mode) == (0o755, 0o644)
    assert (members["link"].issym(), members["link"].linkname) == (True, "src/run")
    assert members["library"].isdir()
    assert members["src/\udce9" + "x" * 200].size == 513
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 315_619_200)}


def test_dockerfile_and_dockerignore_always_go_with_it() -> None:
    tree: Tree = {
        "a": (REGULAR, b"a"),
        "Dockerfile": (REGULAR, DOCKERFILE),
        ".dockerignore": (REGULAR, b"*\n"),
    }
    built = context(tree, dockerignore=b"*\n")
    assert unpacked(built) == {"Dockerfile": (0o644, DOCKERFILE), ".dockerignore": (0o644, b"*\n")}


def test_a_dockerfile_that_the_code_has_otherwise_gets_a_name_of_its_own() -> None:
    tree: Tree = {"Dockerfile": (REGULAR, b"FROM other\n")}
    built = context(tree, dockerignore=b"data\n")
    files = unpacked(built)
    assert built.dockerfile == ".datmo.dockerfile"
    assert files[".datmo.dockerfile"] == (0o644, DOCKERFILE)
    assert files["Dockerfile"] == (0o644, b"FROM other\n")
    assert files[".dockerignore"] == (0o644, b"data\n\n.datmo.dockerfile\n")
    assert unpacked(context(tree))[".dockerignore"] == (0o644, b".dockerignore\n.datmo.dockerfile\n")


def test_large_files_are_streamed_one_piece_at_a_time() -> None:
    sizes: list[int] = []

    class Large(io.RawIOBase):
        position = 0

        def seek(self, offset: int, whence: int = 0) -> int:
            self.position = offset + (1 << 26 if whence == io.SEEK_END else 0)
            return self.position

        def read(self, size: int = -1) -> bytes:
            sizes.append(size)
            return b"\0" * size

    def open_file(path: str) -> BinaryIO:
        return Large()  # type: ignore[return-value]

    built = build_context("Dockerfile", DOCKERFILE, None, [("weights", REGULAR, b"")], open_file)
    assert sum(map(len, built.chunks)) > 1 << 26
    assert max(sizes) <= 1 << 20


# --- against a real engine

COPIES = [
    "src", "src/", "./src/../src", "/src/a.py", "*.toml", "s*", "src/*", "src/*/b", "src/[ab].py",
    "src/[^b].py", "?.py", "src/su?", "data/../x.toml", "sub/x.toml", "link", "linked/b", "src/sub",
]  # fmt: skip
RULES = [
    "src", "*\n!src/a.py", "**/*.py\n!src/**", "src/*\n!src/sub", "*.toml\n!x.toml\nx.*", "**/b",
    "/data/big\n?.py", "#x\n !a.py \n a.py ", "src/**/b\n", "[a-d]*", "!src\nsrc/sub",
    "./sub/../src/\ns[^u]*",
]  # fmt: skip
FILES = ["a.py", "b.py", "src/a.py", "src/b.py", "src/sub/b", "x.toml", "sub/x.toml", "data/big", "sp ce"]
TREE: Tree = {path: (REGULAR, path.encode()) for path in [*FILES, "always"]}
LINKS: Tree = {"link": (LINK, b"data/big"), "linked": (LINK, b"src/sub")}


async def image_files(docker: aiodocker.Docker, image: str) -> dict[str, set[str]]:
    """Return what lies in each folder under /out of an image; a file holds its own name in the context."""
    container = await docker.containers.create({"Image": image, "Cmd": ["none"]})
    try:
        archive = await container.get_archive("/out")
        found: dict[str, set[str]] = {}
        for member in archive:
            if member.isreg() and (file := archive.extractfile(member)) is not None:
                found.setdefault(member.name.split("/")[1], set()).add(file.read().decode())
        return found
    finally:
        await container.delete(force=True)
        await docker.images.delete(image, force=True)


async def build(docker: aiodocker.Docker, built: BuildContext) -> str:
    tar = io.BytesIO(b"".join(built.chunks))
    lines = await docker.images.build(fileobj=tar, encoding="identity", path_dockerfile=built.dockerfile, forcerm=True)
    return str(next(line["aux"]["ID"] for line in lines if "aux" in line))


def build_with_the_docker_program(host: str, folder: Path, rules: str) -> str:
    for path, (_, content) in TREE.items():
        folder.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
        folder.joinpath(path).write_bytes(content)
    folder.joinpath("Dockerfile").write_text("FROM scratch\nCOPY . /out/in/\n")
    folder.joinpath(".dockerignore").write_text(rules)
    variables = {**os.environ, "DOCKER_HOST": host, "DOCKER_BUILDKIT": "0"}
    command = ["docker", "build", "--quiet", str(folder)]
    return subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.anyio
async def test_whatever_an_engine_copies_is_in_the_key(engine: str) -> None:
    tree = TREE | LINKS
    body = "".join(f"COPY {source} /out/{n}/\n" for n, source in enumerate(COPIES))
    async with aiodocker.Docker(url=engine) as docker:
        image = await build(docker, context(tree, f"FROM scratch\n{body}".encode()))
        copied = await image_files(docker, image)
    for n, source in enumerate(COPIES):
        dockerfile = f"FROM scratch\nCOPY {source} /out/\n".encode()
        named = {path for path in TREE if key({**tree, path: (REGULAR, b"")}, dockerfile) != key(tree, dockerfile)}
        if source.startswith("link"):
            assert copied[str(n)] < named == set(TREE)
        else:
            assert (source, copied[str(n)]) == (source, named)


@pytest.mark.anyio
async def test_dockerignore_leaves_out_what_the_docker_program_leaves_out(engine: str, tmp_path: Path) -> None:
    own = "\n!always\nDockerfile\n.dockerignore\n"
    async with aiodocker.Docker(url=engine) as docker:
        for rules in RULES:
            image = build_with_the_docker_program(engine, tmp_path, rules + own)
            theirs = (await image_files(docker, image))["in"]
            ours = unpacked(context(TREE, dockerignore=(rules + own).encode())).keys() & TREE.keys()
            assert (rules, ours) == (rules, theirs)


@pytest.mark.anyio
async def test_an_image_does_not_see_a_dockerfile_that_the_code_does_not_have(engine: str) -> None:
    tree: Tree = {"Dockerfile": (REGULAR, b"FROM other"), "x": (REGULAR, b"x")}
    async with aiodocker.Docker(url=engine) as docker:
        image = await build(docker, context(tree, b"FROM scratch\nCOPY . /out/in/\n"))
        assert await image_files(docker, image) == {"in": {"FROM other", "x"}}
