"""Recorded code is run again and compared."""
