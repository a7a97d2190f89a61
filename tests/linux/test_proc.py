"""/proc/PID parsers on bytes recorded from real kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contlab.linux.proc import (
    IdMapping,
    NsLink,
    ParseError,
    ResourceLimit,
    parse_cmdline,
    parse_id_map,
    parse_limits,
    parse_meminfo,
    parse_ns_link,
    parse_ns_links,
    parse_stat,
    parse_status,
)

DATA = Path(__file__).resolve().parents[1] / "data"
HYBRID, V2 = DATA / "6.18-hybrid", DATA / "6.1-v2"


def ns_links(path: Path) -> dict[str, str]:
    return dict(line.split(" ") for line in path.read_text().splitlines())


def test_a_comm_with_brackets_newline_and_undecodable_bytes_is_read_whole():
    stat = parse_stat((HYBRID / "contained/stat").read_bytes())

    assert (stat.comm, stat.state, stat.pid, stat.ppid) == ("[k] (x) \n\\xff) R", "S", stat.pid, stat.pid - 1)


def test_the_counts_of_a_stat_line_are_where_the_man_page_says():
    stat = parse_stat((V2 / "contained/stat").read_bytes())

    assert (stat.utime, stat.stime, stat.num_threads, stat.starttime) == (26, 14, 1, 1491)
    assert (stat.vsize, stat.rss, stat.pgrp, stat.session, stat.tty_nr) == (16744448, 2060, 115, 115, 1088)


@given(st.binary(max_size=15).filter(lambda comm: b"\0" not in comm))
def test_any_comm_leaves_the_fields_after_it_in_place(comm):
    tail = b" R 1 " + b" ".join(b"%d" % n for n in range(5, 53))

    stat = parse_stat(b"7 (" + comm + b")" + tail + b"\n")

    assert stat.comm == comm.decode("utf-8", "backslashreplace")
    assert (stat.state, stat.ppid, stat.utime, stat.rss) == ("R", 1, 14, 24)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no (comm)"),
        (b"1 init S 0", "no (comm)"),
        (b"1 (init) S 0 1", "expected 24 fields"),
        (b"x (init) " + b"1 " * 30, "expected a number, found 'x'"),
    ],
)
def test_a_stat_that_is_none_is_refused_with_the_reason(raw, reason):
    with pytest.raises(ParseError, match=r"^stat: ") as refused:
        parse_stat(raw)

    assert reason in refused.value.reason


def test_status_tells_the_pid_outside_and_inside():
    status = parse_status((V2 / "contained/status").read_bytes())

    assert (status.NSpid, status.NStgid, status.Pid, status.Threads) == ((136, 1), (136, 1), 136, 1)
    assert (status.VmRSS, status.Uid, status.State) == (8240 * 1024, (0, 0, 0, 0), "S")


def test_status_and_stat_agree_on_a_hostile_name():
    status = parse_status((HYBRID / "contained/status").read_bytes())

    assert status.Name == parse_stat((HYBRID / "contained/stat").read_bytes()).comm


def test_a_backslash_in_a_name_is_not_taken_for_a_newline():
    raw = (V2 / "member/status").read_bytes()
    name = raw.partition(b"\n")[0]

    assert parse_status(raw.replace(name, b"Name:\ta\\\\nb", 1)).Name == "a\\nb"


def test_a_name_can_not_pretend_to_be_another_line():
    raw = (V2 / "member/status").read_bytes()
    name = raw.partition(b"\n")[0]

    status = parse_status(raw.replace(name, b"Name:\tx\\nUid:\t0", 1))

    assert (status.Name, len(status.Uid)) == ("x\nUid:\t0", 4)


def test_user_and_capabilities_are_those_of_the_recording():
    status = parse_status((V2 / "user-ns/status").read_bytes())

    assert (status.Uid, status.CapEff, status.CapInh) == ((65534,) * 4, 0x1FFFFFFFFFF, 0)
    assert (status.NoNewPrivs, status.Seccomp) == (False, 0)


@pytest.mark.parametrize("kind", ["zombie", "kthread"])
def test_a_process_without_memory_has_no_rss_and_no_command(kind):
    status = parse_status((HYBRID / kind / "status").read_bytes())

    assert (status.VmRSS, parse_cmdline((HYBRID / kind / "cmdline").read_bytes())) == (None, ())
    assert parse_stat((HYBRID / kind / "stat").read_bytes()).rss == 0


def test_a_status_that_lacks_a_line_is_refused_by_that_line():
    raw = (V2 / "member/status").read_bytes().replace(b"PPid:", b"PPxx:")

    with pytest.raises(ParseError, match="no line 'PPid'"):
        parse_status(raw)


def test_a_namespace_link_is_a_kind_and_an_inode():
    assert parse_ns_link("pid_for_children", "pid:[4026531836]") == NsLink("pid_for_children", "pid", 4026531836)


def test_the_links_for_children_are_no_namespaces_a_process_is_in():
    links = ns_links(HYBRID / "contained/ns") | {"pid_for_children": "pid:[1]", "time_for_children": "time:[2]"}

    inodes = parse_ns_links(links)

    assert set(inodes) == {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}
    assert (inodes["pid"], inodes["time"]) == (4026532180, 4026532251)


@pytest.mark.parametrize("target", ["pid:4026531836", "/proc/1", "pid:[x]", ""])
def test_a_link_that_is_no_namespace_is_refused(target):
    with pytest.raises(ParseError, match="ns/pid"):
        parse_ns_link("pid", target)


def test_a_user_namespace_of_one_user_has_one_line():
    assert parse_id_map((V2 / "user-ns/uid_map").read_bytes()) == (IdMapping(0, 65534, 1),)
    assert parse_id_map((V2 / "contained/uid_map").read_bytes()) == (IdMapping(0, 0, 4294967295),)
    assert parse_id_map(b"") == ()


def test_an_id_map_of_two_columns_is_refused():
    with pytest.raises(ParseError, match="inside outside length"):
        parse_id_map(b"0 1000\n")


def test_an_empty_argument_at_the_end_is_kept():
    assert parse_cmdline((HYBRID / "contained/cmdline").read_bytes()) == (
        "/usr/bin/python3",
        "child.py",
        "two words",
        "",
    )


def test_limits_without_units_and_without_end_are_read():
    limits = {limit.name: limit for limit in parse_limits((V2 / "contained/limits").read_bytes())}

    assert len(limits) == 16
    assert limits["Max open files"] == ResourceLimit("Max open files", 1024, 4096, "files")
    assert limits["Max realtime timeout"] == ResourceLimit("Max realtime timeout", None, None, "us")
    assert limits["Max nice priority"] == ResourceLimit("Max nice priority", 0, 0, "")


def test_meminfo_is_in_bytes_and_counts_stay_counts():
    memory = parse_meminfo((V2 / "proc/meminfo").read_bytes())

    assert (memory["MemTotal"], memory["Active(anon)"]) == (2012124 * 1024, 16 * 1024)
    assert memory["HugePages_Total"] == 0
