"""Which definition is in force, what belongs to it, and the id that it gives."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from datmo.capture.environment import EnvironmentCapture, capture_environment
from datmo.capture.installation import installation
from datmo.capture.machine import interpreter_packages
from datmo.errors import EnvironmentInvalid
from datmo.objects.store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datmo.capture.installation import Installation

DOCKERFILE = "FROM python:3.11-slim\nCOPY . .\n"
PYPROJECT = '[project]\nname = "iris"\nversion = "1"\ndependencies = ["six>=1"]\n'
CONDA = "channels: [conda-forge]\ndependencies:\n  - python=3.11\n  - six=1.16\n  - pip:\n      - toml\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with ObjectStore(tmp_path / "objects") as opened:
        yield opened


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def put(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def planned(store: ObjectStore, capture: EnvironmentCapture) -> Installation:
    kept = {name: store.read(object_id) for name, object_id in capture.files.items()}
    return installation(capture.kind, capture.definition, kept)


def lines(content: bytes) -> list[str]:
    return content.decode().splitlines()


# --- which one is in force


def test_the_order_decides_and_what_is_passed_over_is_named(store: ObjectStore, root: Path) -> None:
    put(root, {"Dockerfile": "FROM scratch\n", "requirements.txt": "six\n", "pyproject.toml": PYPROJECT})
    put(root, {"environment.yml": CONDA})
    order = [("Dockerfile", "dockerfile"), ("requirements.txt", "requirements")]
    order += [("pyproject.toml", "pyproject"), ("environment.yml", "conda")]
    for position, (name, kind) in enumerate(order):
        capture = capture_environment(store, root)
        assert (capture.definition, capture.kind) == (name, kind)
        others = [other for other, _ in order[position + 1 :]]
        expected = f"{name} is the environment; not used: {', '.join(others)}"
        assert capture.notices == ((expected,) if others else ())
        (root / name).unlink()
    assert capture_environment(store, root).kind == "interpreter"


@pytest.mark.parametrize(
    ("copies", "named"),
    [
        ("COPY requirements.txt /tmp/", "pyproject.toml"),
        ("COPY req*.txt py* /tmp/", ""),
        ("COPY . /app", ""),
        ("COPY src /src", "requirements.txt, pyproject.toml"),
        ("COPY [a- /src", "requirements.txt, pyproject.toml"),
    ],
)
def test_what_a_dockerfile_copies_is_not_called_unused(store: ObjectStore, root: Path, copies: str, named: str) -> None:
    put(root, {"Dockerfile": f"FROM scratch\n{copies}\n", "requirements.txt": "six\n", "pyproject.toml": PYPROJECT})
    expected = f"Dockerfile is the environment; not used: {named}"
    assert capture_environment(store, root).notices == ((expected,) if named else ())


@pytest.mark.parametrize("beside", ["requirements.txt", None])
def test_a_dockerfile_that_lies_elsewhere_is_spoken_of(store: ObjectStore, root: Path, beside: str | None) -> None:
    put(root, {"docker/Dockerfile": DOCKERFILE, "gpu.Dockerfile": DOCKERFILE, "docker/Dockerfile.dockerignore": "x\n"})
    if beside:
        put(root, {beside: "six\n"})
    capture = capture_environment(store, root)
    assert capture.kind == ("requirements" if beside else "interpreter")
    assert capture.notices[-1] == (
        "docker/Dockerfile is not used, nor gpu.Dockerfile: "
        "`datmo config set environment docker/Dockerfile` makes it the environment"
    )
    put(root, {"Dockerfile": DOCKERFILE})
    assert capture_environment(store, root).notices == ()
    assert capture_environment(store, root, root / "gpu.Dockerfile").notices == ()


def test_a_pyproject_of_settings_alone_is_no_environment(store: ObjectStore, root: Path) -> None:
    put(root, {"pyproject.toml": "[tool.ruff]\nline-length = 80\n", "environment.yml": CONDA})
    capture = capture_environment(store, root)
    assert capture.kind == "conda"
    assert capture.notices == ("pyproject.toml is not used: it names no project",)


def test_without_a_definition_it_is_this_pythons_packages(store: ObjectStore, root: Path) -> None:
    capture = capture_environment(store, root)
    assert capture.packages == interpreter_packages()
    assert any(package.startswith("pytest==") for package in capture.packages)
    assert list(capture.packages) == sorted(capture.packages)
    assert capture.described == f"no definition found: this Python's {len(capture.packages)} packages"
    assert lines(store.read(capture.files["packages.txt"])) == list(capture.packages)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("docker/Dockerfile.gpu", DOCKERFILE, "dockerfile"),
        ("gpu.Dockerfile", DOCKERFILE, "dockerfile"),
        ("recipes/training", "# syntax\nARG TAG=1\nFROM python:$TAG AS base\n", "dockerfile"),
        ("requirements-dev.txt", "six\n", "requirements"),
        ("deps/all.txt", "from-the-index\nsix\n", "requirements"),
        ("sub/pyproject.toml", PYPROJECT, "pyproject"),
        ("gpu.yaml", CONDA, "conda"),
    ],
)
def test_a_definition_given_by_its_path_is_known_by_name_or_content(
    store: ObjectStore, root: Path, name: str, text: str, kind: str
) -> None:
    put(root, {"Dockerfile": "FROM scratch\n", name: text})
    given = capture_environment(store, root, root.joinpath(name).relative_to(root))
    assert (given.kind, given.definition) == (kind, name)
    assert given == capture_environment(store, root, root / name)
    assert given.notices == ()


def test_a_folder_may_be_given_that_holds_the_definition(store: ObjectStore, root: Path) -> None:
    put(root, {"Dockerfile": DOCKERFILE, "environments/cpu/requirements.txt": "six\n"})
    capture = capture_environment(store, root, root / "environments/cpu")
    assert (capture.kind, capture.definition) == ("requirements", "environments/cpu/requirements.txt")


def test_a_definition_outside_the_project_keeps_its_bare_name(store: ObjectStore, root: Path, tmp_path: Path) -> None:
    put(root, {".dockerignore": "data\n"})
    put(tmp_path, {"elsewhere/Dockerfile": DOCKERFILE})
    capture = capture_environment(store, root, tmp_path / "elsewhere" / "Dockerfile")
    assert list(capture.files) == ["Dockerfile", ".dockerignore"]


@pytest.mark.parametrize(
    ("files", "given", "message"),
    [
        ({}, "Dockerfile", "the environment 'Dockerfile' does not exist"),
        ({"empty/x": ""}, "empty", "'empty' holds no environment"),
        ({"train.py": "import six\n"}, "train.py", "'train.py' is no environment definition that is known"),
    ],
)
def test_what_was_given_must_be_a_definition(
    store: ObjectStore, root: Path, files: dict[str, str], given: str, message: str
) -> None:
    put(root, files)
    with pytest.raises(EnvironmentInvalid) as raised:
        capture_environment(store, root, root.joinpath(given).relative_to(root))
    assert raised.value.message == message
    assert raised.value.hint


# --- the id


def test_the_same_content_has_the_same_id_wherever_the_project_lies(
    store: ObjectStore, root: Path, tmp_path: Path
) -> None:
    put(root, {"requirements.txt": "-r more/base.txt\n", "more/base.txt": "six\n"})
    before = capture_environment(store, root)
    moved = shutil.move(root, tmp_path / "moved")
    assert capture_environment(store, tmp_path / "moved") == before
    assert str(moved) not in str(before)


def test_a_change_to_any_file_of_a_definition_changes_the_id(store: ObjectStore, root: Path) -> None:
    put(root, {"requirements.txt": "-r base.txt\n-c pins.txt\n", "base.txt": "six\n", "pins.txt": "six<2\n"})
    ids = {capture_environment(store, root).environment_id}
    for name, text in (
        ("base.txt", "six>1\n"),
        ("pins.txt", "six<3\n"),
        ("requirements.txt", "-r base.txt\n"),
    ):
        put(root, {name: text})
        ids.add(capture_environment(store, root).environment_id)
    put(root, {"train.py": "pass"})
    ids.add(capture_environment(store, root).environment_id)
    assert len(ids) == 4


def test_a_dockerfiles_id_covers_its_dockerignore_and_not_this_python(store: ObjectStore, root: Path) -> None:
    put(root, {"Dockerfile": DOCKERFILE})
    before = capture_environment(store, root)
    put(root, {".dockerignore": "data\n"})
    after = capture_environment(store, root)
    assert before.environment_id != after.environment_id
    assert (before.dockerignore, after.dockerignore) == (None, ".dockerignore")
    assert set(after.platform) == {"system", "machine"}


def test_a_dockerfiles_own_dockerignore_goes_before_the_projects(store: ObjectStore, root: Path) -> None:
    put(root, {".dockerignore": "data\n", "gpu.Dockerfile": DOCKERFILE, "gpu.Dockerfile.dockerignore": "x\n"})
    capture = capture_environment(store, root, root / "gpu.Dockerfile")
    assert capture.dockerignore == "gpu.Dockerfile.dockerignore"
    assert ".dockerignore" not in capture.files


def test_other_kinds_are_of_the_python_that_runs_them(store: ObjectStore, root: Path) -> None:
    put(root, {"requirements.txt": "six\n"})
    capture = capture_environment(store, root)
    assert set(capture.platform) == {"system", "machine", "implementation", "python"}
    assert capture.platform["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert capture.hardware["cpus"] >= 1
    assert capture.hardware["memory"] > 0


# --- requirements files


def test_files_pulled_in_are_kept_once_even_in_a_circle(store: ObjectStore, root: Path) -> None:
    put(root, {"requirements.txt": "-r a/one.txt\n", "a/one.txt": "--requirement=two.txt\nsix\n"})
    put(root, {"a/two.txt": "-r ../requirements.txt\n-cpins.txt\n", "a/pins.txt": "six==1.16.0 # exact\n"})
    capture = capture_environment(store, root)
    assert list(capture.files) == ["requirements.txt", "a/one.txt", "a/two.txt", "a/pins.txt"]


@pytest.mark.parametrize(
    "line",
    [
        "-r ../base.txt",
        "-c /etc/pins.txt",
        "-e ../library",
        "../library",
        "six @ file:///tmp/six",
        "/tmp/six.whl",
    ],
)
def test_what_lies_outside_the_project_is_refused(store: ObjectStore, root: Path, line: str) -> None:
    put(root, {"requirements.txt": f"toml\n{line}\n"})
    with pytest.raises(EnvironmentInvalid, match="outside the project"):
        capture_environment(store, root)


def test_a_missing_file_is_named(store: ObjectStore, root: Path) -> None:
    put(root, {"requirements.txt": "-r base.txt\n"})
    with pytest.raises(EnvironmentInvalid, match=r"requirements\.txt names base\.txt, which does not exist"):
        capture_environment(store, root)


def test_the_project_itself_stands_for_its_dependencies(store: ObjectStore, root: Path) -> None:
    pyproject = PYPROJECT + '[project.optional-dependencies]\nplot = ["toml"]\n'
    put(root, {"requirements.txt": "-e .[plot]\nidna\n./library\n", "pyproject.toml": pyproject})
    put(root, {"library/setup.py": ""})
    capture = capture_environment(store, root)
    assert lines(planned(store, capture).files["requirements.txt"]) == ["six>=1", "toml", "idna"]
    assert "pyproject.toml" in capture.files
    assert capture.notices[-2:] == (
        "requirements.txt: of `-e .[plot]` only the dependencies are installed: a task runs its own code",
        "requirements.txt: `./library` is left out: it installs a folder of the project",
    )


def test_other_lines_reach_the_installer_as_they_are(store: ObjectStore, root: Path) -> None:
    kept = [
        "six==1.16.0 --hash=sha256:0",
        "-e git+https://example.org/x.git#egg=x",
        "--extra-index-url https://example.org/simple",
        "x @ https://example.org/x.whl",
        "-r https://example.org/more.txt",
        "numpy>=1 ; python_version > '3'",
    ]
    text = "# needed\n" + "\n".join(kept).replace(" --hash", " \\\n    --hash") + "\n"
    put(root, {"requirements.txt": text})
    capture = capture_environment(store, root)
    assert [" ".join(line.split()) for line in lines(planned(store, capture).files["requirements.txt"])] == kept
    assert capture.notices == (
        "requirements.txt pulls in https://example.org/more.txt, which is not kept with the environment",
    )


def test_a_file_that_powershell_wrote_is_read(store: ObjectStore, root: Path) -> None:
    (root / "requirements.txt").write_bytes("six==1.16.0\r\n".encode("utf-16"))
    capture = capture_environment(store, root)
    assert lines(planned(store, capture).files["requirements.txt"]) == ["six==1.16.0"]


# --- pyproject.toml and its locks


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "uv.lock",
            '[[package]]\nname = "six"\nversion = "1.16.0"\nsource = { registry = "https://x/simple" }\n',
        ),
        ("poetry.lock", '[[package]]\nname = "six"\nversion = "1.16.0"\n'),
        ("pdm.lock", '[[package]]\nname = "six"\nversion = "1.16.0"\n'),
        ("pylock.toml", 'lock-version = "1.0"\n[[packages]]\nname = "six"\nversion = "1.16.0"\n'),
    ],
)
def test_a_lock_beside_a_pyproject_gives_the_versions(store: ObjectStore, root: Path, name: str, text: str) -> None:
    put(root, {"pyproject.toml": PYPROJECT})
    without = capture_environment(store, root)
    assert without.described == "pyproject.toml (no lock found)"
    put(root, {name: text})
    capture = capture_environment(store, root)
    assert capture.described == f"pyproject.toml with {name}"
    assert capture.environment_id != without.environment_id
    plan = planned(store, capture)
    assert lines(plan.files[plan.requirements]) == ["six>=1"]
    assert plan.constraints is not None
    assert lines(plan.files[plan.constraints]) == ["six==1.16.0"]


def test_what_a_lock_has_twice_or_from_elsewhere_is_not_pinned(store: ObjectStore, root: Path) -> None:
    lock = '[[package]]\nname = "a"\nversion = "1"\n[[package]]\nname = "a"\nversion = "2"\n'
    lock += '[[package]]\nname = "iris"\nversion = "1"\nsource = { virtual = "." }\n'
    lock += '[[package]]\nname = "b"\nversion = "3"\n[package.source]\ntype = "git"\n'
    put(root, {"pyproject.toml": PYPROJECT, "poetry.lock": lock})
    plan = planned(store, capture_environment(store, root))
    assert plan.files[plan.constraints or ""] == b""


def test_poetrys_own_table_is_read_where_its_lock_is_there(store: ObjectStore, root: Path) -> None:
    table = '[tool.poetry.dependencies]\npython = "^3.11"\nsix = "^1"\nx = { optional = true }\n'
    put(root, {"pyproject.toml": table})
    with pytest.raises(EnvironmentInvalid, match="Poetry's own form"):
        capture_environment(store, root)
    put(root, {"poetry.lock": '[[package]]\nname = "six"\nversion = "1.16.0"\n'})
    plan = planned(store, capture_environment(store, root))
    assert lines(plan.files[plan.requirements]) == ["six"]


def test_a_pyproject_that_cannot_be_read_is_an_error(store: ObjectStore, root: Path) -> None:
    put(root, {"pyproject.toml": "[project\n"})
    with pytest.raises(EnvironmentInvalid, match=r"pyproject\.toml cannot be read"):
        capture_environment(store, root)


# --- environment.yml


def test_an_environment_yml_is_put_into_pips_words(store: ObjectStore, root: Path) -> None:
    text = (
        "name: iris  # the project\nchannels:\n  - defaults\ndependencies:\n- python=3.11.4\n- pip\n"
        "- conda-forge::six=1.16\n- 'toml>=0.10'\n- idna=3.4=py_0\n- pip:\n  - attrs==23.1.0\n"
        "  - -r more.txt\nprefix: /home/me/envs/iris\n"
    )
    put(root, {"environment.yml": text, "more.txt": "colorama\n"})
    capture = capture_environment(store, root)
    assert list(capture.files) == ["environment.yml", "more.txt"]
    plan = planned(store, capture)
    assert plan.python == "3.11"
    wanted = ["six==1.16.*", "toml>=0.10", "idna==3.4", "attrs==23.1.0", "-r more.txt"]
    assert lines(plan.files[plan.requirements]) == wanted


def test_what_only_conda_has_is_refused_with_a_way_out(store: ObjectStore, root: Path) -> None:
    put(root, {"environment.yml": "dependencies:\n  - cudatoolkit=11\n  - pytorch\n  - six\n"})
    capture = capture_environment(store, root)  # recorded all the same: it may be run elsewhere
    with pytest.raises(EnvironmentInvalid) as raised:
        planned(store, capture)
    assert raised.value.message == "environment.yml asks for what only conda has: cudatoolkit, pytorch"
    assert raised.value.hint == "install micromamba or conda, or give a Dockerfile"


@pytest.mark.parametrize("line", ["dependencies: [six, toml]", "variables:\n  A: b", "dependencies:\n  - {a: b}"])
def test_yaml_beyond_the_usual_lists_is_refused_not_guessed_at(store: ObjectStore, root: Path, line: str) -> None:
    put(root, {"environment.yml": f"name: iris\n{line}\n"})
    with pytest.raises(EnvironmentInvalid, match="a line that is not understood"):
        capture_environment(store, root)
