"""Encoding damage, repaired for display only: UTF-8 that some program once read as Mac Roman and saved again.

A note is never written repaired: the damage is its owner's to mend.
"""

from __future__ import annotations

import re
import unicodedata

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def repair(text: str) -> str:
    """``text`` with every damaged run of characters put right; undamaged text comes back as it is.

    A run counts as damaged when its Mac Roman bytes are strict UTF-8 for fewer characters. Text of other scripts and
    accented words don't pass that test, so damaged and sound text may stand in one note.
    """
    if text.isascii():
        return text
    return _NOT_ASCII.sub(lambda run: _repaired(run[0]), text)


def damage(text: str) -> str:
    """What ``repair`` undoes: ``text`` as such a program would have saved it. For finding damaged tags."""
    return text.encode().decode("mac_roman")


def _repaired(run: str) -> str:
    try:
        mended = run.encode("mac_roman").decode()
    except UnicodeError:
        return run
    if len(mended) >= len(run) or unicodedata.combining(mended[0]):
        return run
    return mended
