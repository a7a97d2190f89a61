"""What guests may take of this host's memory."""

import pytest

from contlab.errors import UnavailableError
from contlab.vm.budget import OVERHEAD, Budget
from contlab.vm.qemu import MIB

MEMINFO = b"MemTotal:       8388608 kB\nMemFree:         100000 kB\nMemAvailable:   4194304 kB\n"

V2 = {
    "/proc/meminfo": MEMINFO,
    "/proc/self/mountinfo": b"30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    "/proc/self/cgroup": b"0::/a/b\n",
    "/proc/cgroups": b"#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t1\t1\n",
    "/sys/fs/cgroup/a/memory.max": b"1073741824\n",
    "/sys/fs/cgroup/a/memory.current": b"73741824\n",
    "/sys/fs/cgroup/a/b/memory.max": b"max\n",
    "/sys/fs/cgroup/a/b/memory.current": b"1000\n",
}
V1 = {
    "/proc/meminfo": MEMINFO,
    "/proc/self/mountinfo": b"30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    "/proc/self/cgroup": b"4:memory:/a\n",
    "/proc/cgroups": b"#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t1\t1\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": b"9223372036854771712\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": b"5\n",
    "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": b"500000\n",
    "/sys/fs/cgroup/memory/a/memory.usage_in_bytes": b"400000\n",
}


@pytest.mark.parametrize(
    ("files", "total"),
    [
        ({"/proc/meminfo": MEMINFO}, 3072 * MIB),  # 4 GiB are available, 1 of the 8 is the host's own
        (V2, 1_000_000_000),
        (V1, 100_000),
        (V1 | {"/sys/fs/cgroup/memory/a/memory.usage_in_bytes": b"600000\n"}, 0),
    ],
)
def test_it_is_what_is_free_and_what_the_tightest_cgroup_above_us_allows(files, total):
    assert Budget.of_host(lambda path: files.get(path, b"")).total == total


def test_a_promise_counts_until_it_is_given_back():
    budget = Budget(2 * (128 * MIB + OVERHEAD))
    budget.take("a", 128 * MIB)
    budget.take("b", 128 * MIB)
    with pytest.raises(UnavailableError, match="0 B are free for guests; 2 others have 576 MiB"):
        budget.take("c", 128 * MIB)
    budget.give_back("a")
    budget.give_back("never there")
    budget.take("c", 128 * MIB)


def test_a_guest_that_is_too_large_is_told_what_it_would_take_and_what_there_is():
    with pytest.raises(
        UnavailableError, match=r"a guest of 512 MiB takes up to 672 MiB .* and 100 MiB are free"
    ) as caught:
        Budget(100 * MIB).take("a", 512 * MIB)
    assert "--memory" in caught.value.hint


def test_this_host_has_a_budget():
    assert Budget.of_host().total > 0
