"""`python -m gatewayd`."""

from gatewayd.cli import main

main(prog_name="gatewayd")
