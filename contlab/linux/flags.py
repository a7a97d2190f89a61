"""Flags of Linux, in the spelling and with the values of its headers."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class CLONE(IntFlag):
    """<linux/sched.h>: what a new task shares, and which namespaces it gets of its own."""

    NEWTIME = 0x0000_0080
    VM = 0x0000_0100
    FS = 0x0000_0200
    FILES = 0x0000_0400
    PIDFD = 0x0000_1000
    PARENT = 0x0000_8000
    NEWNS = 0x0002_0000
    NEWCGROUP = 0x0200_0000
    NEWUTS = 0x0400_0000
    NEWIPC = 0x0800_0000
    NEWUSER = 0x1000_0000
    NEWPID = 0x2000_0000
    NEWNET = 0x4000_0000
    CLEAR_SIGHAND = 0x1_0000_0000
    """clone3 only (Linux 5.5): every signal that the parent handles has its default action in the child."""
    INTO_CGROUP = 0x2_0000_0000
    """clone3 only (Linux 5.7): the child is born in the cgroup of ``clone_args.cgroup``."""


NAMESPACE_FLAGS: dict[str, CLONE] = {
    "mnt": CLONE.NEWNS,
    "pid": CLONE.NEWPID,
    "net": CLONE.NEWNET,
    "uts": CLONE.NEWUTS,
    "ipc": CLONE.NEWIPC,
    "user": CLONE.NEWUSER,
    "cgroup": CLONE.NEWCGROUP,
    "time": CLONE.NEWTIME,
}
"""Name of the link in /proc/PID/ns -> the flag that makes a new one."""


class MS(IntFlag):
    """<sys/mount.h>: mount(2)'s flags."""

    RDONLY = 0x1
    NOSUID = 0x2
    NODEV = 0x4
    NOEXEC = 0x8
    REMOUNT = 0x20
    NOATIME = 0x400
    NODIRATIME = 0x800
    BIND = 0x1000
    MOVE = 0x2000
    REC = 0x4000
    UNBINDABLE = 0x2_0000
    PRIVATE = 0x4_0000
    SLAVE = 0x8_0000
    SHARED = 0x10_0000
    RELATIME = 0x20_0000
    STRICTATIME = 0x100_0000


class MNT(IntFlag):
    """<sys/mount.h>: umount2(2)'s flags."""

    FORCE = 0x1
    DETACH = 0x2
    EXPIRE = 0x4


class PR(IntEnum):
    """<linux/prctl.h>: prctl(2)'s operations that contlab uses."""

    SET_PDEATHSIG = 1
    SET_DUMPABLE = 4
    SET_NAME = 15
    SET_SECCOMP = 22
    CAPBSET_READ = 23
    CAPBSET_DROP = 24
    SET_CHILD_SUBREAPER = 36
    SET_NO_NEW_PRIVS = 38
    CAP_AMBIENT = 47


class CAP(IntEnum):
    """<linux/capability.h>: capabilities(7), by their bit."""

    CAP_CHOWN = 0
    CAP_DAC_OVERRIDE = 1
    CAP_DAC_READ_SEARCH = 2
    CAP_FOWNER = 3
    CAP_FSETID = 4
    CAP_KILL = 5
    CAP_SETGID = 6
    CAP_SETUID = 7
    CAP_SETPCAP = 8
    CAP_LINUX_IMMUTABLE = 9
    CAP_NET_BIND_SERVICE = 10
    CAP_NET_BROADCAST = 11
    CAP_NET_ADMIN = 12
    CAP_NET_RAW = 13
    CAP_IPC_LOCK = 14
    CAP_IPC_OWNER = 15
    CAP_SYS_MODULE = 16
    CAP_SYS_RAWIO = 17
    CAP_SYS_CHROOT = 18
    CAP_SYS_PTRACE = 19
    CAP_SYS_PACCT = 20
    CAP_SYS_ADMIN = 21
    CAP_SYS_BOOT = 22
    CAP_SYS_NICE = 23
    CAP_SYS_RESOURCE = 24
    CAP_SYS_TIME = 25
    CAP_SYS_TTY_CONFIG = 26
    CAP_MKNOD = 27
    CAP_LEASE = 28
    CAP_AUDIT_WRITE = 29
    CAP_AUDIT_CONTROL = 30
    CAP_SETFCAP = 31
    CAP_MAC_OVERRIDE = 32
    CAP_MAC_ADMIN = 33
    CAP_SYSLOG = 34
    CAP_WAKE_ALARM = 35
    CAP_BLOCK_SUSPEND = 36
    CAP_AUDIT_READ = 37
    CAP_PERFMON = 38
    CAP_BPF = 39
    CAP_CHECKPOINT_RESTORE = 40
