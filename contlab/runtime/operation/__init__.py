"""One frozen dataclass per kernel operation: ``describe`` for people, ``shell`` by hand, ``run`` for the kernel.

A plan is a sequence of these. ``run`` may return a remark: something worth telling that is no failure.
"""

from contlab.runtime.operation.base import Operation
from contlab.runtime.operation.cgroups import EnableControllers, JoinCgroup, MakeCgroup, SetLimit
from contlab.runtime.operation.files import CopyRoot, MakeDevice, MakeDirectory, Symlink, WriteFile
from contlab.runtime.operation.idmaps import MapOwnId, MapSubordinateIds
from contlab.runtime.operation.mounts import Bind, MakePrivate, Mask, Mount, MountOverlay, ReadOnly, RemountRoot
from contlab.runtime.operation.namespaces import (
    BecomeRoot,
    Clone,
    LoopbackUp,
    MapIds,
    SetHostname,
    UnshareCgroup,
    UnshareTime,
)
from contlab.runtime.operation.network import InterfaceUp, MakeBridge, MakeSwitch, PlugIn, SetAddress
from contlab.runtime.operation.process import (
    BecomeUser,
    BoundCapabilities,
    ChangeDirectory,
    Chroot,
    Execute,
    FilterSyscalls,
    LimitResources,
    NoNewPrivileges,
    OpenTerminal,
    PivotRoot,
)

__all__ = [
    "BecomeRoot",
    "BecomeUser",
    "Bind",
    "BoundCapabilities",
    "ChangeDirectory",
    "Chroot",
    "Clone",
    "CopyRoot",
    "EnableControllers",
    "Execute",
    "FilterSyscalls",
    "InterfaceUp",
    "JoinCgroup",
    "LimitResources",
    "LoopbackUp",
    "MakeBridge",
    "MakeCgroup",
    "MakeDevice",
    "MakeDirectory",
    "MakePrivate",
    "MakeSwitch",
    "MapIds",
    "MapOwnId",
    "MapSubordinateIds",
    "Mask",
    "Mount",
    "MountOverlay",
    "NoNewPrivileges",
    "OpenTerminal",
    "Operation",
    "PivotRoot",
    "PlugIn",
    "ReadOnly",
    "RemountRoot",
    "SetAddress",
    "SetHostname",
    "SetLimit",
    "Symlink",
    "UnshareCgroup",
    "UnshareTime",
    "WriteFile",
]
