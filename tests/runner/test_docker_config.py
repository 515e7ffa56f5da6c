"""What the engine is told about a task, and what its answers mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datmo.errors import InvalidArgument
from datmo.runner.executors.base import PortMapping, RunSpec
from datmo.runner.executors.docker_config import container_config, ended, start_failure
from datmo.runner.executors.docker_images import ImageInfo

URL = "unix:///var/run/docker.sock"


def spec(**more: Any) -> RunSpec:
    folder = Path("/project/.datmo/tasks/t1")
    more = {"image": "img", "argv": ("python", "train.py"), **more}
    return RunSpec(task_id="t1", folder=folder, code=folder / "code", files=folder / "files", **more)


def test_the_record_is_never_rotated_and_the_container_never_removed_by_the_engine() -> None:
    host = container_config(spec())["HostConfig"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1000g", "max-file": "1"}}
    assert host["AutoRemove"] is False


def test_there_are_mounts_but_no_binds_and_no_new_privileges() -> None:
    host = container_config(spec(data={"iris": Path("/data/iris")}))["HostConfig"]
    assert "Binds" not in host
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert [(mount["Target"], mount.get("ReadOnly")) for mount in host["Mounts"]] == [
        ("/home", False),
        ("/task", False),
        ("/datmo/home", False),
        ("/datmo/config.json", True),
        ("/datmo/outbox", False),
        ("/data", None),
        ("/data/iris", True),
    ]


def test_the_code_can_be_mounted_elsewhere() -> None:
    config = container_config(spec(code_at="/code"))
    assert config["WorkingDir"] == config["HostConfig"]["Mounts"][0]["Target"] == "/code"


def test_no_words_leave_the_images_own_command() -> None:
    assert "Cmd" not in container_config(spec(argv=()))


def test_given_variables_go_before_ours() -> None:
    variables = container_config(spec(variables={"PYTHONUNBUFFERED": "", "LR": "0.1"}))["Env"]
    assert {"PYTHONUNBUFFERED=", "LR=0.1", "DATMO_TASK_ID=t1"} < set(variables)


def test_the_images_and_roots_users_keep_their_home() -> None:
    assert container_config(spec(user="root"))["User"] == "0:0"
    assert "User" not in container_config(spec(user="image"))
    assert not any(pair.startswith("HOME=") for pair in container_config(spec(user="image"))["Env"])


def test_a_memory_limit_is_not_hidden_by_swap() -> None:
    host = container_config(spec(memory=64 << 20, cpus=1.5))["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (64 << 20, 64 << 20, 1_500_000_000)


def test_two_host_ports_can_lead_to_one_of_the_container() -> None:
    ports = (PortMapping(8080, 80), PortMapping(9090, 80, "0.0.0.0"))
    config = container_config(spec(ports=ports))
    assert config["ExposedPorts"] == {"80/tcp": {}}
    assert config["HostConfig"]["PortBindings"]["80/tcp"] == [
        {"HostIp": "127.0.0.1", "HostPort": "8080"},
        {"HostIp": "0.0.0.0", "HostPort": "9090"},
    ]


@pytest.mark.parametrize(
    ("gpus", "wanted"),
    [("all", {"Count": -1}), ("2", {"Count": 2}), ("device=0,GPU-1", {"DeviceIDs": ["0", "GPU-1"]})],
)
def test_gpus_are_asked_for_as_devices(gpus: str, wanted: dict[str, Any]) -> None:
    (request,) = container_config(spec(gpus=gpus))["HostConfig"]["DeviceRequests"]
    assert request == {"Driver": "", "Capabilities": [["gpu"]], **wanted}


@pytest.mark.parametrize(
    "wrong",
    [
        {"gpus": "some"},
        {"gpus": "0"},
        {"user": "nobody"},
        {"image": None},
        {"ports": (PortMapping(1, 1),), "network": "host"},
    ],
)
def test_values_that_cannot_be_used_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        container_config(spec(**wrong))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ('exec: "nope": executable file not found in $PATH: unknown', 127, "command not found: 'nope'"),
        ('exec: "/no": stat /no: no such file or directory: unknown', 127, "command not found: '/no'"),
        ('exec: "/task/x": permission denied: unknown', 126, "cannot execute /task/x: permission denied"),
        ('could not select device driver "" with capabilities: [[gpu]]', 125, "no GPU can be given"),
        (
            "endpoint x: Bind for 127.0.0.1:80 failed: port is already allocated",
            125,
            "127.0.0.1:80 is already",
        ),
        ("listen tcp4 127.0.0.1:80: bind: address already in use", 125, "127.0.0.1:80 is already"),
        ("No such image: img:latest", 125, "the engine has no image img"),
        ("network nope not found", 125, "could not start the container: network nope not found"),
    ],
)
def test_the_engines_refusals_are_understood(words: str, code: int, message: str) -> None:
    failure = start_failure(spec(), words, URL)
    assert failure.code == code
    assert message in failure.message
    assert "\n" not in failure.message


def test_a_folder_that_the_engine_does_not_see_is_told_from_one_that_does_not_exist(tmp_path: Path) -> None:
    words = 'invalid mount config for type "bind": bind source path does not exist: '
    assert "does not see this machine's folders" in start_failure(spec(), f"{words}{tmp_path}", URL).message
    assert "does not exist: /nowhere" in start_failure(spec(), f"{words}/nowhere", URL).message


def found(code: int, **state: Any) -> dict[str, Any]:
    state = {"Status": "exited", "ExitCode": code, "OOMKilled": False, "Error": "", **state}
    return {"State": {"FinishedAt": "2026-11-23T22:42:26.062428089Z", **state}, "HostConfig": {"Memory": 0}}


@pytest.mark.parametrize(
    ("code", "stopped", "lost", "reason"),
    [
        (0, False, True, None),
        (3, False, True, None),
        (137, True, True, None),
        (137, False, True, "the Docker engine was restarted"),
        (143, False, True, "the Docker engine was restarted"),
    ],
)
def test_the_reason_of_an_end(code: int, stopped: bool, lost: bool, reason: str | None) -> None:
    assert ended(found(code), stopped=stopped, lost=lost)[:2] == (code, reason)


def test_a_kill_that_nobody_asked_for_is_explained() -> None:
    assert str(ended(found(137), stopped=False, lost=False).reason).startswith("killed from outside")
    assert str(ended(found(143), stopped=False, lost=False).reason).startswith("asked from outside to end")


def test_the_end_has_the_engines_time_in_microseconds() -> None:
    assert ended(found(0), stopped=False, lost=False).ended_us == 1_795_473_746_062_428
    assert ended(found(0, FinishedAt="0001-01-01T00:00:00Z"), stopped=False, lost=False).ended_us is None


def test_a_container_that_never_started_has_no_exit_code() -> None:
    assert ended(found(0, Status="created"), stopped=False, lost=False).exit_code is None


def test_what_the_code_hides_of_an_image_is_said() -> None:
    image = ImageInfo("sha256:1", working_dir="/home/app/", variables={"HOME": "/home/me"}, entrypoint=("/home/x",))
    hidden = image.notices()
    assert [notice.split(" is ")[0] for notice in hidden] == [
        "the image's WORKDIR /home/app/",
        "the image's HOME /home/me",
        "the image's entrypoint /home/x",
    ]
    assert image.notices("/code") == ()
    elsewhere = ImageInfo("sha256:1", working_dir="/app")
    assert [notice.split(": ")[1] for notice in elsewhere.notices()] == [
        "`datmo config set container.code /app` puts the code there"
    ]
    assert elsewhere.notices("/app") == elsewhere.notices("/code") == ()
    assert [ImageInfo("sha256:1", working_dir=each).notices() for each in ("", "/", "/home", "/data/x")] == [()] * 4
    (beside,) = ImageInfo("sha256:1", working_dir="/homes", variables={"HOME": "/root"}).notices()
    assert "hidden" not in beside
