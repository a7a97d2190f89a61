"""contlab teaches containers by making real ones.

The folders are the architecture; imports run one way only:
``cli | tui -> lab -> course | review | fleet -> runtime | vm | observe -> rootfs -> linux``.
"""

__version__ = "0.1.0"
