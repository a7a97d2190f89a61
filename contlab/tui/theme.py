"""contlab's own themes. Widgets name variables (``$success``, ``$text-muted``), never a colour."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="contlab-dark",
    primary="#7aa2f7",
    secondary="#89ddff",
    accent="#e0af68",
    foreground="#d5d9e6",
    background="#12141c",
    surface="#171a24",
    panel="#1f2330",
    success="#8fd18b",
    warning="#e5b567",
    error="#f2757f",
    variables={
        "border": "#3b4261",
        "border-blurred": "#3b4261",
        "footer-background": "#171a24",
        "footer-description-background": "#171a24",
        "footer-key-foreground": "#e0af68",
        "footer-key-background": "#171a24",
    },
)

LIGHT = Theme(
    name="contlab-light",
    primary="#2451b2",
    secondary="#00637d",
    accent="#8a5300",
    foreground="#1d2230",
    background="#fbfbf8",
    surface="#f3f3ee",
    panel="#e8e8e1",
    success="#1d6b2f",
    warning="#8a5300",
    error="#a8202e",
    dark=False,
    variables={
        "border": "#b4b7c2",
        "border-blurred": "#b4b7c2",
        "footer-background": "#e8e8e1",
        "footer-description-background": "#e8e8e1",
        "footer-key-foreground": "#8a5300",
        "footer-key-background": "#e8e8e1",
    },
)

CONTRAST = Theme(
    name="contlab-contrast",
    primary="#ffffff",
    secondary="#00ffff",
    accent="#ffff00",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    success="#00ff66",
    warning="#ffff00",
    error="#ff6b6b",
    text_alpha=1.0,
    variables={
        "border": "#ffffff",
        "border-blurred": "#ffffff",
        "foreground-muted": "#d8d8d8",
        "footer-background": "#000000",
        "footer-description-background": "#000000",
        "footer-key-foreground": "#ffff00",
        "footer-key-background": "#000000",
    },
)

THEMES = (DARK, LIGHT, CONTRAST)
