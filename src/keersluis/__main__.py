"""`python -m keersluis`."""

from keersluis.cli.main import main

main()
