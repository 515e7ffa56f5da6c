"""What a task uses of the machine: its processes in `/proc`, and GPUs by `nvidia-smi` where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from datmo.runner.usage import gpu_values, process_values

BUSY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "block = bytearray(64 << 20); print('ready', flush=True); input()"])
while True:
    pass
"""


def test_processors_time_and_memory_are_those_of_all_its_processes() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        found = process_values(process.pid)
        assert found is not None
        before, memory = found
        assert memory > 64 << 20  # which its child has
        while True:
            found = process_values(process.pid)
            assert found is not None
            if found[0] >= before + 0.05:
                break
    finally:
        process.kill()
        process.communicate()
    assert process_values(process.pid) is None


def test_this_process_is_seen() -> None:
    found = process_values(os.getpid())
    assert found is not None
    assert found[0] > 0


SAID = "0, GPU-aaaa, 37, 1024\n1, GPU-bbbb, [N/A], 5\n"


def test_gpus_are_those_that_nvidia_smi_says(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '{SAID}'\n")
    program.chmod(0o755)
    assert gpu_values(None, str(program)) == {
        "system.gpu0.utilization": 37,
        "system.gpu0.memory": 1024 << 20,
        "system.gpu1.memory": 5 << 20,
    }
    assert gpu_values("all", str(program)) == gpu_values(None, str(program))
    assert set(gpu_values("device=1", str(program))) == {"system.gpu1.memory"}
    assert set(gpu_values("device=GPU-aaaa", str(program))) == {"system.gpu0.utilization", "system.gpu0.memory"}


def test_without_an_answer_there_are_none(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    assert gpu_values(None, str(program)) == {}
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    assert gpu_values(None, str(program)) == {}
