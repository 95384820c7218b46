"""``python -m quantizer`` is the ``quantizer`` command."""

import sys

from quantizer.cli import main

if __name__ == "__main__":
    sys.exit(main())
