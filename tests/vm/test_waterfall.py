"""Where the time of a boot goes."""

import pytest

from contlab.vm.waterfall import Waterfall, uptimes


def test_the_parts_are_the_whole():
    boot = Waterfall(process=0.1, console=None, agent=2.0, init_uptime=1.2, agent_uptime=1.3)
    assert [(stage.name, round(stage.seconds, 3)) for stage in boot.stages] == [
        ("QEMU's process", 0.1), ("firmware", 0.6), ("kernel", 1.2), ("init and agent", 0.1),
    ]  # fmt: skip
    assert sum(stage.seconds for stage in boot.stages) == pytest.approx(boot.agent)
    assert boot.first_process == pytest.approx(1.9)


def test_a_guest_clock_that_runs_fast_makes_no_time_negative():
    boot = Waterfall(process=0.1, console=None, agent=2.0, init_uptime=2.2, agent_uptime=2.1)
    assert min(stage.seconds for stage in boot.stages) == 0


@pytest.mark.parametrize(("noted", "found"), [(b"1.25 1.50\n", (1.25, 1.5)), (b"", (0, 0)), (b"x y", (0, 0))])
def test_what_the_agent_noted_is_two_numbers_or_nothing(noted, found):
    assert uptimes(noted) == found
