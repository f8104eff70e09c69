"""``python -m watchkeeper``: the command line."""

from watchkeeper.cli import main

if __name__ == "__main__":
    main()
