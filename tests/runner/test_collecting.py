"""What a run left is stored as it is, but never more open than its code was."""

from __future__ import annotations

from pathlib import Path

from datmo.capture.collect import stamp_tree
from datmo.capture.manifest import Manifest
from datmo.objects.store import ObjectStore
from datmo.runner.collecting import LOG_NAME, collect
from datmo.runner.executors.base import RunSpec
from datmo.runner.folders import open_up


def test_what_an_images_user_changed_is_not_open_to_any_user_for_ever(tmp_path: Path) -> None:
    folder = tmp_path / "task"
    spec = RunSpec(
        task_id="t" * 16, argv=("true",), folder=folder, code=folder / "code", files=folder / "files", user="image"
    )
    for each in (spec.code, spec.files):
        each.mkdir(parents=True)
    changed = {"notes.txt": 0o644, "run.sh": 0o755}
    for name, mode in changed.items():
        (spec.code / name).write_text("before\n")
        (spec.code / name).chmod(mode)
    (folder / LOG_NAME).touch()
    open_up(folder, spec.code, spec.files)
    before = stamp_tree(spec.code)
    for name in changed:
        (spec.code / name).write_text("after the run\n")
    with ObjectStore(tmp_path / "objects") as store:
        left = collect(store, spec, before)
        assert left.collection_id is not None
        entries = Manifest.from_bytes(store.read(left.collection_id)).entries
    assert {entry.path: entry.mode for entry in entries} == {**changed, LOG_NAME: 0o644}
