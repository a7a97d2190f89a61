"""Probes: one function a capability, by the word that lessons and tests use. Each is quick and changes nothing."""

from __future__ import annotations

import fcntl
import os
import platform
import pwd
from collections.abc import Callable
from typing import NamedTuple

from contlab import paths
from contlab.doctor.finding import Finding, Verdict, missing, ok, reduced
from contlab.doctor.host import Host
from contlab.errors import UnavailableError
from contlab.linux.flags import CAP, NAMESPACE_FLAGS
from contlab.linux.hierarchies import Mode, parse_proc_cgroups
from contlab.runtime import delegation
from contlab.vm import kernel

_KVM_GET_API_VERSION = 0xAE00
"""ioctl of <linux/kvm.h>; its answer has been 12 since Linux 2.6.22."""


class Probe(NamedTuple):
    """What a word means, and how it is found out."""

    meaning: str
    look: Callable[[Host], Verdict]


PROBES: dict[str, Probe] = {}


def _probe(word: str, meaning: str) -> Callable[[Callable[[Host], Verdict]], Callable[[Host], Verdict]]:
    def register(look: Callable[[Host], Verdict]) -> Callable[[Host], Verdict]:
        PROBES[word] = Probe(meaning, look)
        return look

    return register


def find(word: str, host: Host) -> Finding:
    """Run one probe."""
    return Finding(word, *PROBES[word].look(host))


@_probe("root", "contlab runs as root, with root's capabilities")
def _root(host: Host) -> Verdict:
    if host.uid != 0:
        return missing(f"contlab runs as user {host.uid}", host.as_root)
    if not host.capabilities("CapEff") >> CAP.CAP_SYS_ADMIN & 1:
        return missing("root here lacks CAP_SYS_ADMIN", _privileged(host))
    return ok("root, with CAP_SYS_ADMIN")


@_probe("userns", "a user namespace of one's own, with usable capabilities")
def _userns(host: Host) -> Verdict:
    reason = host.trials["userns"]
    if not reason:
        return ok("a user namespace can be made, and mounts work in it")
    sysctls = {
        "user.max_user_namespaces": ("0", "28633"),
        "kernel.unprivileged_userns_clone": ("0", "1"),
        "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
    }
    for name, (forbids, permits) in sysctls.items():
        if host.read(f"/proc/sys/{name.replace('.', '/')}").strip() == forbids:
            until = f"until the next boot, or `sudo sysctl {name}={forbids}`"
            return missing(f"{name} is {forbids}; changed, it stays so {until}", f"sudo sysctl {name}={permits}")
    return missing(reason, _privileged(host))


def _namespace(kind: str) -> Callable[[Host], Verdict]:
    def look(host: Host) -> Verdict:
        if host.at(f"/proc/self/ns/{kind}").is_symlink():
            return ok(f"this kernel has {kind} namespaces")
        return missing(
            f"this kernel has no {kind} namespaces (/proc/self/ns/{kind} is not there)", "boot a newer kernel"
        )

    return look


for _kind in NAMESPACE_FLAGS:
    _probe(f"ns-{_kind}", f"the kernel knows {_kind} namespaces")(_namespace(_kind))


@_probe("overlay", "an overlay file system can be mounted")
def _overlay(host: Host) -> Verdict:
    if not (reason := host.trials["overlay"]):
        return ok("mounted one")
    if "overlay" not in host.read("/proc/filesystems").split():
        return reduced(f"{reason}; a copy of the root file system is made instead", "sudo modprobe overlay")
    return reduced(f"{reason}; a copy of the root file system is made instead", _privileged(host))


@_probe("overlay-userns", "an overlay can be mounted in one's own user namespace (Linux 5.11)")
def _overlay_userns(host: Host) -> Verdict:
    if not (reason := host.trials["overlay-userns"]):
        return ok("mounted one")
    if host.trials["userns"]:
        return missing("there is no user namespace to mount it in", _userns(host)[2])
    return reduced(f"{reason}; a copy of the root file system is made instead", host.as_root)


@_probe("pivot_root", "the root mount can be exchanged")
def _pivot_root(host: Host) -> Verdict:
    reason = host.trials["pivot_root"]
    return reduced(f"{reason}; chroot is used instead", _privileged(host)) if reason else ok("exchanged one")


@_probe("proc", "a fresh /proc can be mounted in a new PID namespace")
def _proc(host: Host) -> Verdict:
    if not (reason := host.trials["proc"]):
        return ok("mounted one")
    unmask = "docker run --security-opt systempaths=unconfined --privileged ..."
    return missing(reason, unmask if host.engine else _privileged(host))


@_probe("cgroup", "control groups are mounted, of either version")
def _cgroup(host: Host) -> Verdict:
    found = host.hierarchies()
    if found.mode is Mode.NONE:
        return missing("no cgroup file system is mounted", "sudo mount -t cgroup2 none /sys/fs/cgroup")
    trees = dict.fromkeys(tree.mount_point for tree in found.controllers.values())
    where = f"{len(trees)} trees" if len(trees) > 1 else "".join(trees)
    return ok(f"{found.mode}, {where}")


def _controller(controller: str, limit: str) -> Callable[[Host], Verdict]:
    def look(host: Host) -> Verdict:
        reason = host.unlimitable.get(limit) or host.unlimitable.get(controller)
        if not reason:
            return ok("can be limited")
        if controller in host.by_scope:
            return ok("can be limited, in a scope that systemd delegates to contlab")
        for subsystem in parse_proc_cgroups(host.read("/proc/cgroups").encode()):
            if subsystem.subsys_name == controller and not subsystem.enabled:
                return missing(
                    "switched off at boot (cgroup_disable= on the kernel's command line, see /proc/cmdline)",
                    f"replace cgroup_disable={controller} by cgroup_enable={controller} there and boot again",
                )
        on_v2 = host.hierarchies().mode is Mode.V2
        if host.wsl and not on_v2:
            line = "kernelCommandLine = cgroup_no_v1=all"
            return missing(reason, f"add {line!r} under [wsl2] in %UserProfile%\\.wslconfig, then: wsl --shutdown")
        if host.uid == 0:
            return missing(reason, _privileged(host))
        systemd = host.at("/run/systemd/system").exists()
        return missing(reason, delegation.remedy(host.hierarchies(), host.rights, systemd) if on_v2 else host.as_root)

    return look


for _name, _limit in {"memory": "memory", "cpu": "cpus", "pids": "pids"}.items():
    _probe(f"cgroup-{_name}", f"a cgroup's {_name} can be limited")(_controller(_name, _limit))


@_probe("seccomp", "system calls can be filtered")
def _seccomp(host: Host) -> Verdict:
    if host.read("/proc/sys/kernel/seccomp/actions_avail") or "Seccomp:" in host.read("/proc/self/status"):
        return ok("this kernel has it")
    return missing("this kernel is built without seccomp", "boot a distribution's kernel")


@_probe("newuidmap", "a plain user can map a range of user ids")
def _newuidmap(host: Host) -> Verdict:
    if host.uid == 0:
        return ok("root maps what it wants")
    if not (host.which("newuidmap") and host.which("newgidmap")):
        return reduced("newuidmap is not installed; only one user id can be mapped", host.install("newuidmap"))
    user = next((entry.pw_name for entry in pwd.getpwall() if entry.pw_uid == host.uid), str(host.uid))
    if not any(line.split(":")[0] in (user, str(host.uid)) for line in host.read("/etc/subuid").splitlines()):
        ranges = "--add-subuids 100000-165535 --add-subgids 100000-165535"
        return reduced(
            f"/etc/subuid has no range for {user}; only one id can be mapped", f"sudo usermod {ranges} {user}"
        )
    return ok(f"/etc/subuid has a range for {user}")


@_probe("busybox", "a small root file system of one static program")
def _busybox(host: Host) -> Verdict:
    if path := host.which("busybox"):
        return ok(path)
    return reduced("not installed; the host's own shell and tools go into containers", host.install("busybox"))


@_probe("qemu", "an emulator that runs guests")
def _qemu(host: Host) -> Verdict:
    name = f"qemu-system-{platform.machine()}"
    return ok(path) if (path := host.which(name)) else missing(f"{name} is not installed", host.install("qemu"))


@_probe("kernel-image", "a kernel that a guest can boot")
def _kernel_image(host: Host) -> Verdict:
    try:
        found = kernel.find(host.root)
    except UnavailableError as error:
        return missing(error.message, error.hint)
    return ok(f"{found.path}, {found.release}")


@_probe("kvm", "guests run on the processor itself")
def _kvm(host: Host) -> Verdict:
    device = host.at("/dev/kvm")
    if not device.exists():
        return reduced("no /dev/kvm; guests are emulated, some 10 times slower", "sudo modprobe -a kvm_intel kvm_amd")
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return reduced(
            f"/dev/kvm: {error.strerror}; guests are emulated", "sudo usermod -aG kvm $USER, then log in again"
        )
    try:
        version = fcntl.ioctl(descriptor, _KVM_GET_API_VERSION)
    except OSError as error:
        return reduced(f"/dev/kvm does not answer ({error.strerror}); guests are emulated")
    finally:
        os.close(descriptor)
    return ok(f"API version {version}; whether a guest really runs, its first boot tells")


@_probe("tty", "a terminal to draw in")
def _tty(host: Host) -> Verdict:
    if not (os.isatty(0) and os.isatty(1)):
        return missing("input or output is not a terminal", "run it in a terminal; through ssh with `ssh -t`")
    if host.environment.get("TERM", "dumb") == "dumb":
        return missing("TERM names no terminal that can place text", "export TERM=xterm-256color")
    return ok(host.environment["TERM"])


@_probe("directories", "contlab's own directories can be written")
def _directories(host: Host) -> Verdict:
    for directory in (paths.runtime_root(), paths.cache(), paths.state()):
        nearest = next(parent for parent in (directory, *directory.parents) if parent.exists())
        if not os.access(nearest, os.W_OK):
            return missing(f"{nearest} is not writable", f"sudo chown -R {host.uid} {nearest}")
    return ok("the runtime, cache and state directories")


def _privileged(host: Host) -> str:
    if host.engine == "Docker":
        return "docker run --privileged --cgroupns=host ..."
    if host.engine:
        return "podman run --privileged ..."
    return host.as_root if host.uid else "start contlab outside of the sandbox that this process is in"
