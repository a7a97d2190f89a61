"""The rules of the house, held by tools: style, types, who imports whom, and how long a file may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOOLS = Path(sys.executable).parent
HEAVY = ("textual", "pyroute2", "psutil")
LONGEST_FILE = 300
LONGEST_FUNCTION = 50


def run(checkout: Path, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One tool of the test extra, on the whole project."""
    if not (TOOLS / tool).exists():
        pytest.skip(f"{tool} is not installed; pip install -e '.[test]' brings it")
    return subprocess.run([TOOLS / tool, *arguments], cwd=checkout, capture_output=True, text=True)


def tracked(checkout: Path, *patterns: str) -> Iterator[Path]:
    """The files that git knows."""
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--", *patterns]
    listed = subprocess.run(git, cwd=checkout, capture_output=True, text=True, check=True)
    return (path for name in listed.stdout.split("\0") if name and (path := checkout / name).is_file())


def loaded(checkout: Path, code: str) -> set[str]:
    """The top-level modules that Python has loaded after ``code``."""
    program = f"import sys\n{code}\nprint('\\n', *sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", program], cwd=checkout, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("ruff", ("check", ".")),
        ("ruff", ("format", "--check", ".")),
        ("mypy", ("--strict",)),
        ("lint-imports", ("--no-cache",)),
    ],
    ids=["ruff check", "ruff format", "mypy", "import-linter"],
)
def test_a_tool_finds_nothing(checkout: Path, tool: str, arguments: tuple[str, ...]) -> None:
    done = run(checkout, tool, *arguments)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["doctor", "--help"]], ids=" ".join)
def test_the_command_line_answers_without_the_heavy_libraries(checkout: Path, arguments: list[str]) -> None:
    code = f"from contlab.cli import main\nmain({arguments!r}, standalone_mode=False)"

    assert not loaded(checkout, code) & {*HEAVY, "rich"}


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("contlab.linux", {*HEAVY, "rich", "asyncio", "msgspec"}),
        ("contlab.linux.syscalls", {*HEAVY, "rich", "asyncio", "msgspec"}),
        ("contlab.runtime.supervisor", {*HEAVY, "rich", "asyncio"}),
        ("contlab.course.session", {*HEAVY, "rich"}),
        ("contlab.doctor", {"textual", "pyroute2", "rich", "asyncio"}),
    ],
)
def test_a_layer_does_not_load_what_it_has_no_use_for(checkout: Path, module: str, forbidden: set[str]) -> None:
    assert not loaded(checkout, f"import {module}") & forbidden


def test_every_command_in_the_help_exists(checkout: Path) -> None:
    import click

    from contlab.cli import COMMANDS, main

    context = click.Context(main)

    assert list(COMMANDS) == [command.name for name in COMMANDS if (command := main.get_command(context, name))]


def test_no_file_names_a_package_registry_or_a_path_of_one_machine(checkout: Path) -> None:
    # Each with one letter in brackets, so that this file does not name them either.
    registries = (r"pypi\.or[g]", r"pythonhosted\.or[g]", r"debian\.or[g]", r"registry\.npmj[s]")
    machine = (r"(?<![\w}])/(wor[k]|roo[t]|home/[a-z]+)/", r"/\.librar[y]")
    pattern = re.compile("|".join(registries + machine))
    found = [
        f"{path.relative_to(checkout)}:{number}: {line.strip()[:80]}"
        for path in tracked(checkout)
        if b"\0" not in (raw := path.read_bytes())
        for number, line in enumerate(raw.decode(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]

    assert not found


def test_files_and_functions_fit_in_the_head(checkout: Path) -> None:
    too_long = []
    for path in tracked(checkout, "contlab/*.py"):
        source = path.read_text()
        if (lines := len(source.splitlines())) > LONGEST_FILE:
            too_long.append(f"{path.relative_to(checkout)}: {lines} lines")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    too_long.append(f"{path.relative_to(checkout)}:{node.lineno} {node.name}: {length} lines")

    assert not too_long
