"""What is claimed in numbers, measured: run each as ``python -m tests.benchmarks.<name> [--quick] [--json]``."""

import os

# Recording is measured by itself; a record beside each benchmark would be read by nobody.
os.environ.setdefault("NNWIDGETS_TRACK", "off")
