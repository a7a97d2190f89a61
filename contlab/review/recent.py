"""Recent: which vault is meant when none is named."""

from __future__ import annotations

import os
from pathlib import Path

from contlab import paths
from contlab.errors import ContlabError, ExitCode
from contlab.review.vault import Vault, open_vault

VARIABLE = "CONTLAB_VAULT"
NONE = "no vault was named, there is none around this folder, and none was used before"
HINT = "Name the folder of your notes once, and it is remembered: contlab review ~/notes"


def find(named: Path | None = None) -> Vault | None:
    """The vault that was named; else $CONTLAB_VAULT; else the one around this folder; else the one used last."""
    if named is None and (given := os.environ.get(VARIABLE)):
        named = Path(given)
    if named is not None:
        return _remembered(open_vault(named))
    around = open_vault(Path.cwd())
    if (around.root / ".obsidian").is_dir():
        return _remembered(around)
    last = _last()
    return open_vault(last) if last is not None and last.is_dir() else None


def need(named: Path | None = None) -> Vault:
    """As ``find``; ContlabError when there is none."""
    if (found := find(named)) is None:
        raise ContlabError(NONE, HINT, exit_code=ExitCode.USAGE)
    return found


def _file() -> Path:
    return paths.state() / "vault"


def _last() -> Path | None:
    try:
        return Path(os.fsdecode(_file().read_bytes()))
    except (OSError, ValueError):
        return None


def _remembered(vault: Vault) -> Vault:
    """Keep where it is; where that can't be written nothing is lost but the convenience."""
    file, place = _file(), os.fsencode(vault.root)
    try:
        if not file.is_file() or file.read_bytes() != place:
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary = file.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_bytes(place)
            temporary.replace(file)
    except OSError:
        return vault
    return vault
