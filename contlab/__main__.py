"""``python -m contlab``."""

from contlab.cli import main

if __name__ == "__main__":
    main()
