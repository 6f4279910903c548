"""Tasks: their rows, labels, metrics."""
