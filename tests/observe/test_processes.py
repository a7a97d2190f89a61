"""Who is in a container, while processes come and go."""

from __future__ import annotations

from contlab.observe.processes import COMMAND_LENGTH, ProcessReader, descendants, in_tree_order, members
from contlab.observe.snapshot import PidView


def view(pid: int, ppid: int) -> PidView:
    return PidView(pid=pid, inside=pid, ppid=ppid, comm="x", state="S")


class Vanishing:
    """A source whose process ``pid`` is gone once ``path`` is asked for."""

    def __init__(self, source, path: str, error: OSError) -> None:
        self.source, self.path, self.error = source, path, error
        self.listdir, self.readlink = source.listdir, source.readlink

    def read(self, path: str) -> bytes:
        if path == self.path:
            raise self.error
        return self.source.read(path)


def test_members_of_a_cgroup_and_of_those_below_it_are_found(host):
    cgroups = host.cgroup("0-fresh" if host.hybrid else "0-fresh-no-limits")
    directory = cgroups["pids"]
    host.members(cgroups, 10, 11)
    host.write(f"{directory}/cgroup.stat", "nr_descendants 2\nnr_dying_descendants 0\n")
    host.write(f"{directory}/inner/cgroup.procs", "12\n")
    host.write(f"{directory}/inner/cgroup.stat", "nr_descendants 1\n")
    host.write(f"{directory}/inner/memory.scope/cgroup.procs", "13\n")

    assert members(host.source, directory) == {10, 11, 12, 13}


def test_a_cgroup_that_is_gone_has_no_members(host):
    assert members(host.source, "/sys/fs/cgroup/contlab-gone") == set()


def test_descendants_are_found_by_their_line_of_parents(host):
    for pid, ppid in ((1, 0), (10, 1), (20, 10), (21, 10), (30, 20), (40, 1)):
        host.process(pid, ppid)

    assert descendants(host.source, 10) == {10, 20, 21, 30}


def test_a_process_is_seen_from_outside_and_from_inside(host):
    host.process(400, 1, 1, comm="[kthreadd] [/] ", argv=("/bin/sh", "-c", "sleep 60"))

    (process,) = ProcessReader(host.source).read([400], 400, 0.0)

    assert (process.pid, process.inside, process.ppid) == (400, 1, 1)
    assert (process.comm, process.command, process.state) == ("[kthreadd] [/] ", "/bin/sh -c sleep 60", "S")


def test_a_process_that_vanishes_between_two_of_its_files_is_left_out(host):
    for pid in (400, 401, 402):
        host.process(pid)
    for name, error in (
        ("stat", FileNotFoundError(2, "")),
        ("status", ProcessLookupError(3, "")),
        ("cmdline", ProcessLookupError(3, "")),
    ):
        source = Vanishing(host.source, f"/proc/401/{name}", error)

        assert [p.pid for p in ProcessReader(source).read([400, 401, 402], 400, 0.0)] == [400, 402]


def test_a_process_reaped_while_its_status_was_read_is_left_out(host):
    host.process(400)
    host.process(401)
    status = host.source.read("/proc/401/status")
    host.write("/proc/401/status", status.replace(b"\nPid:\t401", b"\nPid:\t0").replace(b"NSpid:\t401", b"NSpid:\t0"))

    assert [p.pid for p in ProcessReader(host.source).read([400, 401], 400, 0.0)] == [400]


def test_a_zombie_is_shown(host):
    host.process(400, state="Z", comm="gone", argv=())

    (process,) = ProcessReader(host.source).read([400], 400, 0.0)

    assert (process.state, process.comm, process.command) == ("Z", "gone", "")


def test_a_command_of_megabytes_is_cut(host):
    host.process(400, argv=("x" * (2 << 20),))

    (process,) = ProcessReader(host.source).read([400], 400, 0.0)

    assert process.command == "x" * COMMAND_LENGTH


def test_cpu_percent_is_the_time_used_since_the_previous_look(host):
    reader = ProcessReader(host.source)
    host.process(400, ticks=100)

    (first,) = reader.read([400], 400, 1_000_000)
    host.process(400, ticks=125)
    (second,) = reader.read([400], 400, 1_500_000)

    assert (first.cpu_percent, second.cpu_percent) == (None, 50.0)


def test_a_new_process_with_an_old_number_has_no_rate_yet(host):
    reader = ProcessReader(host.source)
    host.process(400, ticks=100, start=1000)
    reader.read([400], 400, 1_000_000)
    host.process(400, ticks=900, start=2000)

    (process,) = reader.read([400], 400, 2_000_000)

    assert process.cpu_percent is None


def test_parents_come_before_their_children_and_the_first_process_leads():
    views = [view(5, 3), view(2, 1), view(3, 1), view(1, 0), view(9, 99), view(4, 2)]

    assert [v.pid for v in in_tree_order(views, 1)] == [1, 2, 4, 3, 5, 9]
    assert [v.pid for v in in_tree_order(views, 9)] == [9, 1, 2, 4, 3, 5]


def test_no_process_is_lost_when_a_number_is_its_own_parent():
    assert [v.pid for v in in_tree_order([view(1, 1), view(2, 1)], 1)] == [1, 2]
