"""`python -m credit` is `creditctl`."""

from credit.cli import main

main()
