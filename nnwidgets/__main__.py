"""``python -m nnwidgets`` is the command ``nnwidgets``."""

import sys

from nnwidgets.cli import main

sys.exit(main())
