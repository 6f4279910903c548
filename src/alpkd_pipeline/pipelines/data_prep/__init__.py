"""Checked, encoded splits."""
