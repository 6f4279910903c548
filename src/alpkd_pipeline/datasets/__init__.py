"""Kedro datasets: results and their handles, sources, encoders."""
