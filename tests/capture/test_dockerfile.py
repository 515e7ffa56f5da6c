"""What a Dockerfile names of its context, and what a .dockerignore leaves out."""

from __future__ import annotations

import pytest

from datmo.capture.dockerfile import copied_sources, instructions, is_dockerfile
from datmo.capture.dockerignore import DockerIgnore
from datmo.errors import EnvironmentInvalid

WHOLE = None


def named(*lines: str) -> tuple[str, ...] | None:
    return copied_sources("\n".join(["FROM scratch", *lines, ""]).encode())


@pytest.mark.parametrize(
    ("line", "sources"),
    [
        ("COPY a b/c /to/", ("a", "b/c")),
        ("copy ./a/../b //c/ to", ("b", "c")),
        ("ADD --chown=me:me --chmod=755 model.tar.gz /to", ("model.tar.gz",)),
        ('COPY ["with space", "x", "/to"]', ("with space", "x")),
        ("COPY [not json] /to", ("[not", "json]")),
        ("COPY --link src /to", ("src",)),
        ("COPY --from=build a /to", ()),
        ("ADD https://example.org/x git@example.org:me/x.git local /to", ("local",)),
        ("ONBUILD COPY later /to", ("later",)),
        ("RUN --mount=type=bind,source=pyproject.toml,target=/p pip install /p", ("pyproject.toml",)),
        ("RUN --mount=type=cache,target=/root/.cache pip install six", ()),
        ("RUN --mount=from=build,source=x,target=/x cp /x /y", ()),
        ("RUN echo COPY a b", ()),
        ("COPY . /to", WHOLE),
        ("COPY a / /to", WHOLE),
        ("RUN --mount=target=/src make", WHOLE),
        ("COPY 'quo'te\"d\" /to", ("quoted",)),
        ("COPY a\\$b /to", ("a$b",)),
    ],
)
def test_every_form_of_copy_and_add(line: str, sources: tuple[str, ...] | None) -> None:
    assert named(line) == sources


def test_lines_go_on_through_comments_and_empty_lines() -> None:
    assert named("COPY a \\", "# a comment", "   b \\", "", "/to") == ("a", "b")
    assert named("# COPY no /to", "COPY yes /to \\") == ("yes",)


def test_a_directive_changes_the_escape_character() -> None:
    dockerfile = b"# escape=`\nFROM scratch\nCOPY a `\n  b\\ /to\nCOPY c /to\n"
    assert copied_sources(dockerfile) == ("a", "b\\", "c")
    assert copied_sources(dockerfile.replace(b"\n", b"\r\n")) == ("a", "b\\", "c")
    late = b"FROM scratch\n# escape=`\nCOPY a `\n"
    assert copied_sources(late) == ("a",)


def test_heredocs_are_no_sources_and_their_bodies_no_instructions() -> None:
    lines = ["COPY <<EOF a <<-'END' /to/", "COPY no /to", "EOF", "FROM no", "\tEND", "COPY b /to"]
    assert named(*lines) == ("a", "b")
    assert named("RUN <<EOF", "COPY no /to", "EOF", "COPY b /to") == ("b",)


def test_what_only_looks_like_a_heredoc_hides_nothing() -> None:
    assert named("RUN echo $((1 <<X)) <<<word", "COPY a /to") == ("a",)


def test_variables_set_in_the_stage_are_filled_in() -> None:
    assert named("ENV A=src B=${A}", "ENV B=$A/sub", "COPY $B/${A}x /to") == ("src/sub/srcx",)
    assert named("ENV NAME two words", "ENV Q='a b' R=\"c d\"", "COPY $NAME $Q $R /to") == (
        "a b",
        "c d",
        "two words",
    )
    assert named("ENV A=", "COPY ${A:-x} ${A-y}z ${A:+no}w /to") == ("w", "x", "z")
    assert named("ENV A=1", "COPY '$A' /to") == ("$A",)


def test_a_stage_begins_with_the_variables_of_the_one_it_is_built_on() -> None:
    assert named("ENV A=0", "FROM scratch AS base", "ENV A=1", "FROM Base", "COPY $A /to") == ("1",)
    assert named("ENV A=1", "FROM scratch", "COPY $A /to") is WHOLE


@pytest.mark.parametrize(
    "lines",
    [
        ["COPY $A /to"],
        ["ARG A=src", "COPY $A /to"],
        ["ENV B=$A", "COPY $B /to"],
        ["ENV A=1", "ENV A=$UNKNOWN", "COPY $A /to"],
        ["COPY ${A:-src} /to"],
        ["ENV A=1", "COPY ${A%1} /to"],
        ["FROM python:3-onbuild"],
    ],
)
def test_what_cannot_be_known_is_the_whole_context(lines: list[str]) -> None:
    assert named(*lines) is WHOLE


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"FROM python:3.11", True),
        (b"# a comment\nARG X=1\nfrom --platform=linux/amd64 $X as base\n", True),
        (b"From the first line on this is prose.\n", False),
        (b"six==1.16.0\n", False),
        (b"", False),
        (b"FROM x\0", False),
    ],
)
def test_a_dockerfile_is_known_by_its_first_instruction(content: bytes, answer: bool) -> None:
    assert is_dockerfile(content) is answer


def test_instructions_come_with_flags_and_rest() -> None:
    (copy,) = instructions(b"\xef\xbb\xbfcopy  --chown=a:b  --link  x   y\n")
    assert copy == ("COPY", ("--chown=a:b", "--link"), "x   y")


@pytest.mark.parametrize(
    ("rules", "left_out", "sent"),
    [
        ("data", ["data", "data/x/y"], ["src/data", "data2"]),
        ("/data/", ["data/x"], ["src/data"]),
        ("*.csv", ["a.csv"], ["sub/a.csv"]),
        ("**/*.csv", ["a.csv", "x/y/a.csv"], ["a.csvx"]),
        ("**", ["a", "b/c"], []),
        ("a/**/z", ["a/z", "a/b/c/z", "a/b/z/under"], ["z", "a/zz"]),
        ("src/**", ["src/a", "src/b/c"], ["srcx"]),
        ("?at[0-9][^x]", ["cat1y"], ["cat1x", "cat", "chat1y"]),
        ("[[]x]", ["[x]"], ["x"]),
        ("a+(b)", ["a+(b)"], ["aab"]),
        ("\\*", ["*"], ["a"]),
        ("# comment\n\n  spaced  \n", ["spaced"], ["# comment"]),
        ("*\n!keep\n!src/*.py\nsrc/no.py", ["x", "src/no.py", "src/x"], ["keep/y", "src/a.py"]),
        ("!data\ndata", ["data/x"], []),
        ("./a/../b", ["b"], ["a"]),
    ],
)
def test_the_last_rule_that_matches_decides(rules: str, left_out: list[str], sent: list[str]) -> None:
    ignore = DockerIgnore(rules.encode())
    assert [path for path in [*left_out, *sent] if ignore.excludes(path)] == left_out


@pytest.mark.parametrize("rules", ["!", "a[", "[]", "[z-a]"])
def test_a_rule_that_is_none_is_refused(rules: str) -> None:
    with pytest.raises(EnvironmentInvalid):
        DockerIgnore(rules.encode())
