"""What is claimed in numbers, measured: run each as ``python -m tests.benchmarks.<name> [--quick] [--json]``."""
