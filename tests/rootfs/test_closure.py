"""The closure against a table of headers, and against what ldd(1) prints for this host's own programs."""

import os
import re
import subprocess
import sys

import pytest

from contlab.rootfs import elf, host
from contlab.rootfs.closure import Closure, Kind, Missing, SearchPath, closure
from contlab.rootfs.elf import Header

X86 = "64 EM_X86_64"
LOADER = "/lib64/ld-linux-x86-64.so.2"
SEARCH = SearchPath(configured=("/opt/lib",), default=("/lib64", "/usr/lib64"))


def program(*needed, **rest):
    return Header("elf", X86, LOADER, needed=needed, **rest)


def library(*needed, machine=X86, **rest):
    return Header("elf", machine, needed=needed, **rest)


def find(table, *commands, which=lambda name: None):
    return closure(commands, {LOADER: library()}.__or__(table).get, SEARCH, which)


def paths(found):
    return [file.path for file in found.files]


def test_a_static_program_needs_only_itself():
    assert paths(find({"/bin/a": Header("elf", X86)}, "/bin/a")) == ["/bin/a"]


def test_libraries_of_libraries_come_breadth_first_and_each_once():
    table = {
        "/bin/a": program("libone.so", "libtwo.so"),
        "/lib64/libone.so": library("libdeep.so", "libc.so"),
        "/lib64/libtwo.so": library("libc.so"),
        "/lib64/libdeep.so": library(),
        "/lib64/libc.so": library("ld-linux-x86-64.so.2"),
    }
    names = ["libone.so", "libtwo.so", "libdeep.so", "libc.so"]
    assert paths(find(table, "/bin/a")) == ["/bin/a", LOADER, *(f"/lib64/{name}" for name in names)]


def test_each_file_says_who_needs_it_and_by_which_rule_it_was_found():
    table = {"/bin/a": program("libx.so"), "/opt/lib/libx.so": library("liby.so"), "/usr/lib64/liby.so": library()}
    found = find(table, "/bin/a")
    assert str(found.files[2]) == "/opt/lib/libx.so  needed by /bin/a (ld.so.conf)"
    assert str(found.files[3]) == "/usr/lib64/liby.so  needed by /opt/lib/libx.so (default)"


def test_runpath_finds_a_files_own_libraries_and_not_those_of_its_libraries():
    table = {
        "/app/bin/a": program("libown.so", runpath=("$ORIGIN/../lib",)),
        "/app/lib/libown.so": library("libnext.so"),
        "/app/lib/libnext.so": library(),
    }
    found = find(table, "/app/bin/a")
    assert paths(found) == ["/app/bin/a", LOADER, "/app/lib/libown.so"]
    assert found.missing == (Missing("libnext.so", "/app/lib/libown.so"),)


def test_rpath_serves_the_libraries_of_libraries_too_and_its_origin_is_the_file_that_has_it():
    table = {
        "/app/bin/a": program("libown.so", rpath=("${ORIGIN}/../lib",)),
        "/app/lib/libown.so": library("libnext.so"),
        "/app/lib/libnext.so": library(),
    }
    assert paths(find(table, "/app/bin/a"))[2:] == ["/app/lib/libown.so", "/app/lib/libnext.so"]


def test_a_file_with_a_runpath_does_not_use_rpath():
    table = {
        "/bin/a": program("libx.so", rpath=("/old",), runpath=("/new",)),
        "/old/libx.so": library(),
        "/new/libx.so": library(),
    }
    assert paths(find(table, "/bin/a"))[2:] == ["/new/libx.so"]


def test_a_library_of_another_machine_is_passed_over():
    table = {
        "/bin/a": program("libx.so"),
        "/opt/lib/libx.so": library(machine="32 EM_386"),
        "/usr/lib64/libx.so": library(),
    }
    assert paths(find(table, "/bin/a"))[2:] == ["/usr/lib64/libx.so"]


def test_a_script_brings_its_interpreter_and_what_env_is_told_to_start():
    table = {
        "/bin/tool": Header("script", interpreter="/usr/bin/env", argument="-S lua -x"),
        "/usr/bin/env": Header("elf", X86),
        "/bin/lua": Header("elf", X86),
    }
    found = find(table, "/bin/tool", which={"lua": "/bin/lua"}.get)
    assert paths(found) == ["/bin/tool", "/usr/bin/env", "/bin/lua"]
    assert find(table, "/bin/tool").missing == (Missing("lua", "/bin/tool"),)


def test_an_interpreter_that_is_not_there_is_missing_and_not_copied():
    table = {"/a": Header("script", interpreter="/no/sh"), "/b": Header("elf", X86, "/no/ld.so", needed=("libc.so",))}
    found = find(table, "/a", "/b")
    assert paths(found) == ["/a", "/b"]
    assert found.missing == (Missing("/no/ld.so", "/b"), Missing("/no/sh", "/a"))


def test_two_scripts_that_name_each_other_end():
    table = {"/a": Header("script", interpreter="/b"), "/b": Header("script", interpreter="/a")}
    assert paths(find(table, "/a")) == ["/a", "/b"]


def test_it_prints_as_ldd_does():
    table = {"/bin/a": program("libx.so", "libgone.so"), "/lib64/libx.so": library()}
    assert find(table, "/bin/a").ldd() == f"\t{LOADER}\n\tlibx.so => /lib64/libx.so\n\tlibgone.so => not found"
    assert Closure().ldd() == "\tstatically linked"


@pytest.mark.parametrize("name", ["ls", "bash", "find", "grep", sys.executable])
def test_this_hosts_programs_need_what_ldd_says(name):
    path = host.program(name)
    assert path is not None, f"the host has no {name}"
    printed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    expected = {os.path.realpath(word) for word in re.findall(r"(/\S+) \(0x", printed)}
    found = closure([path], elf.read, host.search_path(), host.program)
    assert {os.path.realpath(file.path) for file in found.files if file.kind is not Kind.COMMAND} == expected
    assert found.missing == ()


def test_ld_so_conf_is_read_with_its_includes_and_without_circles(tmp_path):
    (tmp_path / "ld.so.conf").write_text(
        "include conf.d/*.conf\n/first/ # words\nhwcap 1 nosegneg\n/second:/third,/second\n"
    )
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.conf").write_text(f"/inner\ninclude {tmp_path}/ld.so.conf\n")
    found = host.search_path(str(tmp_path / "ld.so.conf"))
    assert found.configured == ("/inner", "/first", "/second", "/third")
