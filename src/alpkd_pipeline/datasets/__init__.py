"""Kedro datasets: result folders, work folders, sources, encoders."""
