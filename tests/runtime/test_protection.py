"""What is off is told, and nothing else is."""

from __future__ import annotations

import platform

import pytest

from contlab.runtime.cgroup import CgroupPlan
from contlab.runtime.operation import (
    BoundCapabilities,
    FilterSyscalls,
    LimitResources,
    Mask,
    NoNewPrivileges,
    Operation,
    ReadOnly,
)
from contlab.runtime.plan import Places, compile_plan
from contlab.runtime.protection import DEFAULT_CAPABILITIES, unprotected
from contlab.runtime.spec import ContainerSpec, RootMethod

DEFAULT = ContainerSpec()


def kinds(spec: ContainerSpec) -> set[type[Operation]]:
    return {type(operation) for operation in compile_plan(spec, Places(), CgroupPlan(), "box").operations}


def test_the_default_container_has_every_protection() -> None:
    assert () == unprotected(DEFAULT)
    assert () == unprotected(ContainerSpec(network="lan"))
    assert () == unprotected(ContainerSpec(capabilities=frozenset({"CAP_KILL"})))


@pytest.mark.parametrize(
    ("spec", "words", "gone"),
    [
        (ContainerSpec(all_capabilities=True), "capabilities are not bounded", {BoundCapabilities}),
        (
            ContainerSpec(capabilities=DEFAULT_CAPABILITIES | {"CAP_SYS_ADMIN", "CAP_BPF"}),
            "keeps CAP_BPF, CAP_SYS_ADMIN",
            set(),
        ),
        (ContainerSpec(no_new_privs=False), "setuid programs give privileges", {NoNewPrivileges}),
        (ContainerSpec(seccomp=False), "no seccomp filter", {FilterSyscalls}),
        (ContainerSpec(seccomp_allow=frozenset({"unshare", "bpf"})), "seccomp lets bpf, unshare through", set()),
        (ContainerSpec(mask_proc=False), "nothing in /proc and /sys is masked", {Mask, ReadOnly}),
        (ContainerSpec(rlimits=False), "resource limits are its maker's", {LimitResources}),
    ],
)
def test_a_protection_that_is_off_is_told_and_its_operation_is_not_in_the_plan(
    spec: ContainerSpec, words: str, gone: set[type[Operation]]
) -> None:
    assert (words,) == unprotected(spec)
    assert gone == kinds(DEFAULT) - kinds(spec)


def test_the_host_s_root_has_the_host_s_proc_and_sys() -> None:
    assert ("/proc and /sys are the host's",) == unprotected(ContainerSpec(root=RootMethod.HOST, mask_proc=False))


def test_a_machine_for_which_there_is_no_filter_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")

    assert ("no seccomp filter: there is none for riscv64",) == unprotected(DEFAULT)
