"""`python -m variegate`: the command line."""

from variegate.cli import main

main()
