"""What is read with an elevated supervisor's eyes: links of containers' processes, nothing else."""

from __future__ import annotations

import os

import pytest

from contlab.runtime.looks import readlink


@pytest.mark.parametrize("link", ["root", "ns/pid", "ns/time_for_children"])
def test_a_link_of_a_container_s_process_is_read(link: str) -> None:
    path = f"/proc/{os.getpid()}/{link}"

    assert os.readlink(path) == readlink(path, {os.getpid()})


@pytest.mark.parametrize(
    "path",
    ["/proc/PID/exe", "/proc/PID/ns/../exe", "/proc/PID/ns/pid\n", "/proc/PID/root/etc/passwd", "/etc/localtime", "/"],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(PermissionError):
        readlink(path.replace("PID", str(os.getpid())), {os.getpid()})


def test_another_process_is_refused() -> None:
    with pytest.raises(PermissionError):
        readlink("/proc/1/root", {os.getpid()})
