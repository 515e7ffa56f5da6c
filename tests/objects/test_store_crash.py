"""kill -9 at any moment: what was acknowledged is there, and nothing else is ever wrong."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from datmo.objects.store import ObjectStore

# Prints each id when it is acknowledged: alternately a capture of small objects, and a large file.
WRITER = """
import os, sys
from pathlib import Path
from datmo.objects.store import ObjectStore, SourceFile
root, source = Path(sys.argv[1]), Path(sys.argv[2])
store = ObjectStore(root)
number = 0
while True:
    number += 1
    ids = store.put_many(os.urandom(2000) for _ in range(20))
    source.write_bytes(os.urandom(1 << 19) * 3)
    ids += [kept.object for kept in store.put_files([SourceFile(source)])]
    os.write(1, ("\\n".join(ids) + "\\n").encode())
"""


@pytest.mark.parametrize("round_", range(8))
def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path, round_: int) -> None:
    root = tmp_path / "objects"
    acknowledged: list[str] = []
    for victim in range(2):
        command = [sys.executable, "-c", WRITER, str(root), str(tmp_path / f"source-{victim}")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": os.getcwd()}) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            killer = threading.Timer(random.Random(round_ * 2 + victim).uniform(0, 0.2), writer.kill)
            killer.start()
            output = first + writer.stdout.read()
            killer.join()
        acknowledged += output[: output.rindex(b"\n")].decode().split("\n")
    with ObjectStore(root) as store:
        assert store.has(acknowledged) == set(acknowledged)
        assert list(store.verify(acknowledged)) == []
        assert list(store.verify()) == []
        for path in (root / "tmp").iterdir():
            os.utime(path, (0, 0))
        store.sweep()
        assert list((root / "tmp").iterdir()) == []
