"""The screens. The only package that imports Textual; it draws what ``lab`` and ``course`` say and decides nothing."""
