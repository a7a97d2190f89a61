"""Why a note was left as it is: the reasons, for programs, and the refusal, for people."""

from __future__ import annotations

from enum import StrEnum

from contlab.errors import ContlabError, ExitCode


class Reason(StrEnum):
    """Why a note is not written."""

    DUPLICATE_KEY = "duplicate key"
    UNTERMINATED = "unterminated properties"
    INVALID_YAML = "invalid YAML"
    HIDDEN_KEY = "key out of reach"
    NOT_UTF8 = "not UTF-8"
    OLD_LINE_ENDS = "carriage returns alone"
    BROKEN_SCHEDULE = "broken schedule"
    OTHER_STORE = "schedules kept elsewhere"
    SIDE_EFFECT = "edit would change more"
    OUT_OF_RANGE = "date out of range"
    REVIEWED_ELSEWHERE = "already reviewed elsewhere"
    CHANGED_SINCE = "changed since"
    NOT_REVIEWABLE = "not reviewable"
    NOT_WRITABLE = "not writable"


class NoteRefusal(ContlabError):
    """A note was left as it is, and why."""

    exit_code = ExitCode.NOTE

    def __init__(self, reason: Reason, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.reason = reason
