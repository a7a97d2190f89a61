from __future__ import annotations

import pytest

from contlab.review.mojibake import damage, repair


@pytest.mark.parametrize(
    ("damaged", "repaired"),
    [
        ("‚úÖ", "✅"),
        ("‚¨ÖÔ∏è [[FEM Docker]]", "⬅️ [[FEM Docker]]"),
        ("\uf8ffü§î What does **provisioning** mean?", "🤔 What does **provisioning** mean?"),
        ("users and systems.¬†", "users and systems.\u00a0"),
        ("real é and “quotes”, then ‚úÖ", "real é and “quotes”, then ✅"),
    ],
)
def test_utf8_read_as_mac_roman_is_put_right(damaged, repaired):
    assert repair(damaged) == repaired


@pytest.mark.parametrize(
    "text", ["café naïve", "“quotes” – dash…", "Привет", "γνῶθι", "容器", "שלום", "zażółć", "rødgrød", "✅ 🤔"]
)
def test_sound_text_stays(text):
    assert repair(text) == text


def test_a_lone_combining_mark_is_no_repair():
    """``Ã©`` is another program's damage (cp1252): its Mac Roman reading would be worse."""
    assert repair("cafÃ©") == "cafÃ©"


def test_damage_is_what_repair_undoes():
    assert repair(damage("#✅/é🤔")) == "#✅/é🤔"
