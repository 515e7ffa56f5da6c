"""The documentation cannot drift: references are as the code is, and every code block runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

import datmo
from datmo.cli.docs import FOLDER, pages
from tests.api.kernel import kernel
from tests.cli.conftest import PROGRAM, environment, program

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WRITTEN = ("guide", "snapshots", "tasks", "files", "contributing")
NOTEBOOK = "notebooks"
IDS = {"7k2m": "task", "91cd": "snapshot"}
TRAIN = "import sys\nprint('accuracy: 0.93')\n"


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((FOLDER / f"{page}.md").read_text("utf-8"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def test_the_references_are_as_the_code_is() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_page_is_either_made_or_tried() -> None:
    made = {name for name in pages() if "tools/reference.py`: change the code" in (FOLDER / f"{name}.md").read_text()}
    written = {*WRITTEN, NOTEBOOK}
    assert made | written == set(pages())
    assert not made & written
    for name in made:
        assert [language for language, _ in blocks(name)] in ([], ["text"]), name


@pytest.mark.parametrize("page", WRITTEN)
def test_the_shell_lines_of_a_page_run_in_their_order(folder: Path, page: str) -> None:
    for language, body in blocks(page):
        assert language in ("", "python")
        for line in body.splitlines() if not language else []:
            words = shlex.split(line)
            assert words.pop(0) == "datmo"
            done = program(*with_real_ids(folder, words), cwd=folder)
            assert done.code == 0, (line, done.err)


@pytest.mark.parametrize(
    ("page", "block"), [(page, body) for page in WRITTEN for language, body in blocks(page) if language == "python"]
)
def test_a_python_block_is_a_script_that_runs_in_a_project(folder: Path, page: str, block: str) -> None:
    assert program("init", "--name", "iris", cwd=folder).code == 0
    (folder / "script.py").write_text(block)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_blocks_of_the_notebooks_page_are_cells_of_one_notebook(tmp_path: Path) -> None:
    folder = tmp_path / "iris"
    folder.mkdir()
    with kernel(folder) as started:
        for language, body in blocks(NOTEBOOK):
            assert language == "python"
            outputs = started.run(body.replace("time.sleep(0.1)", "time.sleep(0.001)"))  # nobody watches it
            assert "error" not in {output.kind for output in outputs}, outputs
    assert datmo.snapshot.get("best", home=folder).stats.keys() == {"accuracy"}
    assert {each.status for each in datmo.task.ls(home=folder)} == {"SUCCESS"}
    assert len(list((tmp_path / "best").rglob("model.pkl"))) == 1


def with_real_ids(folder: Path, words: list[str]) -> list[str]:
    for made_up, kind in IDS.items():
        if made_up in words:
            found = orjson.loads(program(kind, "ls", "--limit", "1", "--format", "json", cwd=folder).out)
            words = [str(found[0]["id"]) if word == made_up else word for word in words]
    return words


def test_every_file_of_a_project_is_on_the_page_of_files(folder: Path) -> None:
    for words in (["init"], ["task", "run", "python train.py"], ["snapshot", "create", "-m", "x"]):
        assert program(*words, cwd=folder).code == 0
    text = (FOLDER / "files.md").read_text()
    named = {
        name.rstrip("/")
        for line in text.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line)
    }
    for place in (folder / ".datmo", folder / ".datmo" / "objects"):
        assert {path.name for path in place.iterdir()} <= named


def test_datmo_docs_lists_the_pages_and_shows_one(folder: Path) -> None:
    listed = program("docs", cwd=folder)
    assert [line.split()[0] for line in listed.out.splitlines()] == ["page", *pages()]
    assert program("docs", "settings", cwd=folder).out == (FOLDER / "settings.md").read_text()
    wrong = program("docs", "setings", cwd=folder)
    assert (wrong.code, wrong.err.splitlines()[0]) == (
        2,
        f"error: invalid value for PAGE: there is no page 'setings': {', '.join(pages())}",
    )


def test_the_pages_are_shipped_with_the_package() -> None:
    assert PROGRAM
    assert FOLDER.parent.name == "datmo"
    assert set(WRITTEN) <= {path.stem for path in FOLDER.iterdir()}
