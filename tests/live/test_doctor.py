"""doctor's trials, on the kernel that runs the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from contlab import doctor
from contlab.doctor.host import try_all
from contlab.linux.hierarchies import Mode
from contlab.runtime.cgroup import read_hierarchies


@pytest.mark.needs("root")
def test_the_trials_answer_every_word_and_leave_no_mount() -> None:
    before = Path("/proc/self/mountinfo").read_bytes()

    answers = try_all()

    assert {"userns", "overlay", "overlay-userns", "pivot_root", "proc"} == answers.keys()
    assert before == Path("/proc/self/mountinfo").read_bytes()


@pytest.mark.needs("root")
def test_root_on_a_distribution_s_kernel_lacks_no_namespace_and_no_controller() -> None:
    words = [word for word in doctor.WORDS if word.startswith(("ns-", "cgroup"))]

    assert [] == [finding for word in words if (finding := doctor.probe(word)).status is not doctor.Status.OK]


@pytest.mark.needs("cgroup")
def test_doctor_names_the_cgroup_mode_that_the_mounts_show() -> None:
    mode = read_hierarchies().mode

    assert mode is not Mode.NONE
    assert doctor.probe("cgroup").reason.startswith(mode)
