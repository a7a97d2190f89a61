"""Failure: what any command raises, as a line for people and an exit code; never a traceback."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import click

from contlab import __version__, paths
from contlab.errors import ContlabError, ExitCode


def status_of(command: Callable[[], object]) -> int:
    """Run it. Its int result is the exit code; what it raises is told on stderr. CONTLAB_DEBUG=1 shows tracebacks."""
    try:
        return _status_of(command)
    finally:
        # The interpreter flushes both once more as it ends, and where that fails its exit code is 120.
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:  # a reader that went away, a terminal that hung up
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _status_of(command: Callable[[], object]) -> int:
    try:
        result = command()
        sys.stdout.flush()  # a reader that went away shows here at the latest
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.BROKEN_PIPE
    except ContlabError as error:
        _debug()
        tell(error.message, error.hint)
        return error.exit_code
    except Exception as error:
        _debug()
        tell(f"a mistake of its own: {type(error).__name__}: {error}", _report())
        return ExitCode.SOFTWARE
    return result if isinstance(result, int) else ExitCode.OK


def tell(message: str, hint: str = "") -> None:
    """One message on stderr, its hint indented below; control characters in it are shown, not obeyed."""
    first, *rest = visible(f"contlab: {message}").splitlines()
    lines = [first, *(f"  {line}" for line in rest + visible(hint).splitlines())]
    click.echo("\n".join(lines), err=True)


def visible(text: str) -> str:
    """``text`` with its control characters shown, not obeyed; lines and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def _debug() -> None:
    if os.environ.get("CONTLAB_DEBUG") == "1":
        traceback.print_exc()


def _report() -> str:
    """Write what is needed to find the mistake; returns the line that says where it is."""
    about = f"contlab {__version__}, Python {sys.version}, {' '.join(os.uname())}\narguments: {sys.argv[1:]!r}\n\n"
    file = paths.state() / "crashes" / time.strftime("%Y%m%d-%H%M%S.txt")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(about + traceback.format_exc(), errors="backslashreplace")
    except OSError as error:
        return f"no report could be written to {file} ({error.strerror}); CONTLAB_DEBUG=1 shows the traceback"
    return f"a report is in {file}; please send it along with what you did"
