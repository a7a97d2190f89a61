"""Networks, clocks and id maps on this kernel: packets pass, cables are pulled, and the host stays as it is."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from contlab.errors import ContlabError, RuntimeFailure
from contlab.observe.sampler import Sampler, Target
from contlab.observe.snapshot import NetworkView
from contlab.observe.source import HostSource
from contlab.runtime import events
from contlab.runtime.client import Runtime
from contlab.runtime.handle import Container
from contlab.runtime.spec import ContainerSpec, IdMap, Namespace, TimeOffsets
from contlab.runtime.sweep import sweep
from tests.live.containers import Output, left_of, run, run_in, shell, until

pytestmark = pytest.mark.needs("root", "cgroup", "ns-net", "ns-time")

WAITING = ("/bin/sh", "-c", "read line")


def host_links() -> object:
    """The host's interfaces, addresses and routes, without counters."""
    asked = (["link"], ["addr"], ["route"], ["-6", "route"])
    return [json.loads(subprocess.check_output(["ip", "-json", *words]) or b"null") for words in asked]


def net_namespaces() -> set[str]:
    """Every net namespace that a process is in, or holds open."""
    listed = subprocess.run(["lsns", "-t", "net", "-n", "-o", "NS"], capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


@pytest.fixture(autouse=True)
def _links_as_they_were() -> Iterator[None]:
    """The host's, once the run has ended."""
    before = host_links()
    yield
    assert before == host_links()


@pytest.fixture
def stdin() -> Iterator[int]:
    """What a first process waits for."""
    reader, writer = os.pipe()
    yield reader
    os.close(reader)
    os.close(writer)


@pytest.fixture
def output(stdin: int) -> Iterator[Output]:
    with Output() as output:
        yield output


async def member(runtime: Runtime, stdin: int, name: str, **fields: object) -> Container:
    """A container on the network "lan" that waits."""
    spec = ContainerSpec(**{"command": WAITING, "network": "lan", **fields})
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        return await runtime.spawn(name, spec, (stdin, null, null))
    finally:
        os.close(null)


async def reaches(container: Container, whom: str, attempts: int = 5) -> bool:
    """Whether a ping is answered within a second."""
    for _ in range(attempts):
        ended, _ = await run_in(container, f"ping -c 1 -W 1 {whom}")
        if ended.status == 0:
            return True
    return False


async def test_two_containers_reach_each_other_by_address_and_name_until_the_cable_is_pulled(
    runtime: Runtime, stdin: int
) -> None:
    a, b = await member(runtime, stdin, "a"), await member(runtime, stdin, "b", hostname="bee", address="10.77.1.9")

    assert await reaches(a, "10.77.1.9")
    assert await reaches(a, "b")
    assert await reaches(a, "bee")
    assert await reaches(b, "a")
    await a.link(up=False)
    assert not await reaches(b, "a", attempts=1)
    assert not await reaches(a, "b", attempts=1)
    await a.link(up=True)
    assert await reaches(b, "a")


async def test_the_host_s_interfaces_stay_as_they_are_while_containers_are_connected(
    runtime: Runtime, stdin: int
) -> None:
    before = host_links()
    a = await member(runtime, stdin, "a")
    assert await reaches(a, "10.77.1.2")

    assert before == host_links()


async def test_two_networks_do_not_know_each_other_though_they_have_the_same_addresses(
    runtime: Runtime, stdin: int
) -> None:
    a = await member(runtime, stdin, "a", address="10.0.0.1")
    await member(runtime, stdin, "b", address="10.0.0.2")
    await member(runtime, stdin, "c", address="10.0.0.3", network="other")

    assert await reaches(a, "10.0.0.2")
    assert not await reaches(a, "10.0.0.3", attempts=1)


async def test_the_names_of_a_network_follow_who_comes_and_goes_and_can_t_be_written_inside(
    runtime: Runtime, stdin: int
) -> None:
    a, b = await member(runtime, stdin, "a"), await member(runtime, stdin, "b")
    _, lines = await run_in(a, "cat /etc/hosts")
    assert ["10.77.1.2\ta", "10.77.1.3\tb"] == lines[2:]
    written, _ = await run_in(a, "echo x >> /etc/hosts")
    assert 0 != written.status

    await b.close()
    _, lines = await run_in(a, "cat /etc/hosts")
    assert ["10.77.1.2\ta"] == lines[2:]
    await member(runtime, stdin, "b")  # its address and port are free again
    assert await reaches(a, "b")


async def test_the_other_end_of_the_cable_and_whether_it_is_pulled_are_seen_from_outside(
    runtime: Runtime, stdin: int
) -> None:
    a = await member(runtime, stdin, "a")
    started = a.started.result()
    assert {"eth0": "to-a at lan"} == started.peers
    sampler = Sampler(HostSource(), Target("a", started.pid, started.cgroups, peers=started.peers))

    network = sampler.sample(0.0).network
    assert isinstance(network, NetworkView)
    (eth0,) = [link for link in network.links if link.name == "eth0"]
    assert (True, "to-a at lan", False) == (eth0.up, eth0.peer, eth0.cut)
    assert "10.77.1.2/24" in eth0.addresses


async def test_without_a_user_namespace_and_without_mounts_networks_work_alike(runtime: Runtime, stdin: int) -> None:
    a = await member(runtime, stdin, "a", namespaces=frozenset(Namespace) - {Namespace.USER})
    b = await member(runtime, stdin, "b", namespaces=frozenset({Namespace.NET}), root="chroot")

    assert await reaches(a, "b")
    assert await reaches(b, "a")


async def test_on_the_host_s_network_it_sees_the_host_s_interfaces(runtime: Runtime) -> None:
    _, lines = await run(runtime, shell("cat /proc/net/dev", network="host"))

    assert Path("/proc/self/net/dev").read_text().count(":") == sum(":" in line for line in lines)
    _, alone = await run(runtime, shell("cat /proc/net/dev"))
    assert 1 == sum(":" in line for line in alone)


async def test_a_cable_that_is_not_there_can_t_be_pulled(runtime: Runtime, stdin: int) -> None:
    plain = await member(runtime, stdin, "plain", network="none")
    with pytest.raises(RuntimeFailure, match="plain is in no network"):
        await plain.link(up=False)
    ended = await member(runtime, stdin, "ended")
    await ended.signal(signal.SIGKILL)
    await ended.wait()
    await ended.close()
    with pytest.raises(RuntimeFailure, match="ended is in no network"):
        await ended.link(up=True)


async def test_an_address_that_is_taken_fails_one_container_and_leaves_the_others(runtime: Runtime, stdin: int) -> None:
    a = await member(runtime, stdin, "a")
    with pytest.raises(ContlabError, match=r"10\.77\.1\.2 is a's address"):
        await member(runtime, stdin, "b", address="10.77.1.2")
    with pytest.raises(ContlabError, match="there is a a already"):
        await member(runtime, stdin, "a")
    await member(runtime, stdin, "b")

    assert await reaches(a, "b")


async def test_a_supervisor_that_is_killed_leaves_no_namespace_no_link_and_no_file(stdin: int) -> None:
    before, links = net_namespaces(), host_links()
    runtime = Runtime()
    await runtime.start()
    for name in ("a", "b"):
        await member(runtime, stdin, name)
    assert len(net_namespaces() - before) >= 2
    assert runtime.supervisor_pid
    os.kill(runtime.supervisor_pid, signal.SIGKILL)
    await runtime.close()
    await asyncio.to_thread(sweep, runtime._root)

    await until(lambda: net_namespaces() <= before)
    assert [] == left_of(runtime.run)
    assert links == host_links()


# --- clocks and ids -------------------------------------------------------------------------------------------------


async def test_clock_offsets_are_seen_inside_and_events_stay_in_order(runtime: Runtime) -> None:
    heard: list[events.AnyEvent] = []
    runtime.listen(heard.append)
    outside = float(Path("/proc/uptime").read_text().split()[0])

    offsets = TimeOffsets(monotonic=1_000_000, boottime=2_000_000)
    _, lines = await run(runtime, shell("cat /proc/uptime /proc/self/timens_offsets", time_offsets=offsets))

    assert 0 <= float(lines[0].split()[0]) - outside - 2_000_000 < 1000
    assert [["monotonic", "1000000", "0"], ["boottime", "2000000", "0"]] == [line.split() for line in lines[1:]]
    assert sorted(event.at for event in heard) == [event.at for event in heard]
    (made,) = [e for e in heard if isinstance(e, events.OperationDone) and e.operation == "UnshareTime"]
    assert 0 < made.microseconds < 10_000_000  # and not the million seconds by which its clock jumped


async def test_an_offset_before_the_beginning_of_time_is_refused_by_the_kernel_in_words(runtime: Runtime) -> None:
    with pytest.raises(ContlabError, match="timens_offsets"):
        await run(runtime, shell(":", time_offsets=TimeOffsets(boottime=-1_000_000_000)))


async def test_ids_of_several_ranges_are_who_they_are_said_to_be(runtime: Runtime, output: Output) -> None:
    uids, gids = (IdMap(0, 150_000, 1), IdMap(1, 160_000, 99)), (IdMap(0, 170_000, 100),)
    spec = shell("cat /proc/self/uid_map /proc/self/gid_map; read line", id_map=uids, gid_map=gids, user=7)
    reader, writer = os.pipe()
    container = await runtime.spawn("box", spec, (reader, *output.stdio[1:]))
    os.close(reader)

    await until(lambda: len(output.lines) == 3)
    assert [[0, 150_000, 1], [1, 160_000, 99], [0, 170_000, 100]] == [
        [int(word) for word in line.split()] for line in output.lines
    ]
    status = Path(f"/proc/{container.pid}/status").read_text().splitlines()
    assert {"Uid:\t160006\t160006\t160006\t160006", "Gid:\t170007\t170007\t170007\t170007"} <= set(status)
    os.close(writer)
    await container.wait()
