"""`python -m engine` is `passerelle`."""

from engine.cli import main

main()
