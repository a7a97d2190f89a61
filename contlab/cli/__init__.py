"""The command line: one module per command, imported when it is called."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click
from click.shell_completion import shell_complete

from contlab import __version__
from contlab.cli.failure import status_of
from contlab.errors import ExitCode

COMMANDS = {
    "learn": "Open a lesson; without a command, contlab does this.",
    "run": "Play a lesson with no screen: each step, command and verdict.",
    "spawn": "Run one command in a container.",
    "vm": "Boot a real guest and run a command in it; say what is there for it.",
    "compare": "Measure a container beside a virtual machine.",
    "doctor": "Say what this host allows, why, and what mends it.",
    "lessons": "List lessons, or check their files.",
    "replay": "Play a recording.",
    "bench": "Measure contlab here, beside others doing the same work.",
    "due": "List the notes and cards whose review is due.",
    "rate": "Say how well a note was remembered; write when it comes back.",
    "undo": "Take the last review back.",
    "review": "Review what is due on a screen; see how it goes; take cards in and out.",
}
"""Command NAME -> its line in ``contlab --help``. It is the click command NAME in the module ``contlab.cli.NAME``."""

COMPLETE = "_CONTLAB_COMPLETE"
"""The variable by which click's shell scripts ask for completions."""


class Commands(click.Group):
    """The group whose help needs none of the commands' modules, and whose errors end as a line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"contlab.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            ctx.fail(
                f"no command {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"try {', '.join(COMMANDS)}")
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), code.meaning) for code in ExitCode])
        super().format_epilog(ctx, formatter)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """As click's, but a command's int result is the exit code, and what it raises ends in ``status_of``."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        raise SystemExit(status_of(partial(self._answer, list(sys.argv[1:] if args is None else args))))

    def _answer(self, args: list[str]) -> Any:
        if instruction := os.environ.get(COMPLETE):
            return shell_complete(self, {}, "contlab", COMPLETE, instruction)
        with self.make_context("contlab", args) as context:
            return self.invoke(context)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog='Completion of commands and options, in bash: eval "$(_CONTLAB_COMPLETE=bash_source contlab)"; '
    "zsh_source and fish_source likewise.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> Any:
    """Teach containers by making real ones, live in your terminal.

    Data goes to stdout, narration to stderr. NO_COLOR and the XDG directories are respected.
    """
    if context.invoked_subcommand is None and (home := main.get_command(context, "learn")):
        return context.invoke(home)
    return None
