"""What to run: cells, keys, the runner, the configuration."""
