"""The file of runs, and what is read from it."""
