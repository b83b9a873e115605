"""The code that a run was made by."""
