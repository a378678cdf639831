"""`python -m demo`: run the simulated world with a real Home Assistant."""

import sys

from demo.world.cli import main

if __name__ == "__main__":
    sys.exit(main())
