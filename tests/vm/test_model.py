"""The model's golden values: equations against the rows they were made from, and what each cell says."""

import pytest

from contlab.vm import equations
from contlab.vm.figures import KERNELS, PROFILES, DiskImage, GuestOs, Hypervisor
from contlab.vm.model import ModelParameters, rows
from contlab.vm.row import mebibytes, megabytes, milliseconds, two

MIB = 1 << 20
GIB = 1 << 30

NSDI_MEMTOTAL = {
    131072: 114800,
    262144: 243816,
    524288: 501856,
    1048576: 1017936,
    1572864: 1534032,
    2097152: 2050128,
    3145728: 3082320,
    4194304: 4048560,
    6291456: 6112944,
    8388608: 8177328,
}
"""kB of RAM -> kB of MemTotal (nsdi2020-data cf1b30f6, data/m5d.metal/mem-chv.dat, columns VMSZ and VM_TOTAL)."""

NSDI_RSS = {
    "firecracker": {524288: 179768, 1048576: 187952, 2097152: 207228, 3145728: 226236},
    "cloud-hypervisor": {524288: 180452, 1048576: 190768, 2097152: 208856, 3145728: 227944},
    "qemu-kvm": {524288: 205028, 1048576: 215420, 2097152: 231892, 3145728: 252348},
}
"""kB of RAM -> kB resident on the host (the same, mem-fc.dat, mem-chv.dat and mem-qemu.dat, column RSS)."""


def cells(host=24 * GIB, **parameters):
    return {row.key: row for row in rows(ModelParameters(**parameters), host)}


@pytest.mark.parametrize(("size", "total"), NSDI_MEMTOTAL.items())
def test_what_is_usable_inside_is_nsdis_memtotal_to_the_last_digit_shown(size, total):
    usable = equations.usable(size / 1024, KERNELS[GuestOs.TUNED])
    assert usable == pytest.approx(total / 1024, abs=0.05)


@pytest.mark.parametrize(("size", "take"), [(128, 35.3), (256, 37.5), (512, 41.9), (1024, 50.6)])
def test_a_distros_kernel_takes_what_was_measured(size, take):
    assert equations.kernel_take(size, KERNELS[GuestOs.DISTRO]) == pytest.approx(take, abs=0.05)


@pytest.mark.parametrize("name", NSDI_RSS)
def test_an_idle_guest_takes_what_nsdi_measured_within_two_percent(name):
    for size, resident in NSDI_RSS[name].items():
        model = equations.used(size / 1024, PROFILES[Hypervisor(name)])
        assert model == pytest.approx(resident / 1024, rel=0.02)


def test_a_tebibyte_holds_the_eight_thousand_firecrackers_of_its_authors():
    assert equations.fit(1 << 20, 128 + PROFILES[Hypervisor.FIRECRACKER].resident) == 8035


def test_boot_times_add_up():
    assert equations.boot(PROFILES[Hypervisor.QEMU_KVM], GuestOs.TUNED, network=False) == 243.5
    assert equations.boot(PROFILES[Hypervisor.QEMU_KVM], GuestOs.DISTRO, network=True) == 243.5 + 900 + 18.4
    assert equations.boot(PROFILES[Hypervisor.CLOUD_VM], GuestOs.DISTRO, network=True) == 29_300


def test_a_guest_never_takes_more_than_its_ram_and_its_monitor():
    firecracker = PROFILES[Hypervisor.FIRECRACKER]
    assert equations.used(128, firecracker, payload=4096) == pytest.approx(128 + 2.49)


def test_reads_that_wait_for_the_disk_take_as_much_longer_as_the_disk_is_slower():
    assert equations.io_bound(84_044, 84_044, PROFILES[Hypervisor.QEMU_KVM].random_deep or 0) == pytest.approx(
        1.98, abs=0.01
    )


def test_the_usual_vm_is_qemu_with_256_mib():
    usual = cells()
    assert usual["boot"].vm == "260 ms"
    assert usual["memory.reserved"].value == pytest.approx(387.3)
    assert usual["memory.usable"].vm == "240 MiB of 256 MiB"
    assert usual["memory.idle"].container == "3.9 MiB"
    assert usual["density"].value == 83
    assert usual["density"].container == "660"


def test_every_row_is_a_model_and_says_from_which_source_and_year():
    for hypervisor in Hypervisor:
        for row in rows(ModelParameters(hypervisor=hypervisor), 8 * GIB):
            assert row.stamp == f"model · {row.source} · {row.year}"
            assert row.source
            assert row.year
            assert row.conditions
            assert row.explanation.endswith(".")
            assert row.value is None or row.unit


def test_keys_are_stable_and_told_apart():
    keys = [row.key for row in rows(ModelParameters(), 8 * GIB)]
    assert len(keys) == len(set(keys))
    assert {"kernel", "boot", "memory.idle", "memory.load", "memory.usable", "image", "cpu", "crash", "density"} <= set(
        keys
    )


def test_a_guest_that_is_too_small_does_not_boot():
    assert cells(guest_os=GuestOs.DISTRO, memory=64 * MIB)["memory.usable"].vm == "doesn't boot: needs 72 MiB"
    assert cells(guest_os=GuestOs.DISTRO, memory=72 * MIB)["memory.usable"].value is not None
    assert cells(memory=8 * MIB)["memory.usable"].vm == "doesn't boot"


def test_no_number_is_made_up_where_no_source_gives_one():
    assert cells()["syscall"].value is None
    assert cells(hypervisor=Hypervisor.CLOUD_HYPERVISOR)["memory.random"].vm == "no cited figure"
    assert "network.latency" not in cells(hypervisor=Hypervisor.FIRECRACKER)
    assert "boot.crowd" not in cells(hypervisor=Hypervisor.CLOUD_VM)


def test_the_image_is_the_rootfs_and_a_kernel_or_a_cloud_image():
    assert cells(rootfs=2_000_000)["image"].value == 2_000_000 + 8_247_232
    assert cells(image=DiskImage.CLOUD)["image"].vm == "620 MB"


def test_a_small_host_holds_none():
    assert cells(host=GIB // 2)["density"].value == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (two(243.5), "240"), (two(0), "0"), (two(0.0394), "0.039"), (two(9.96), "10"),
        (two(99.6), "100"), (two(8035), "8,000"), (megabytes(7.8e7), "78 MB"),
        (milliseconds(999.6), "1,000 ms"), (milliseconds(29_300), "29 s"), (mebibytes(2179), "2.1 GiB"),
    ],
)  # fmt: skip
def test_numbers_are_rounded_to_two_figures(words, expected):
    assert words == expected
