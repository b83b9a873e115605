"""Runs are brought to tracking systems."""
