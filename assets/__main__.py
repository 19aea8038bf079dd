"""`python -m assets` is the `loveloop` command."""

from assets.cli import main

main()
