"""What to run: experiments, keys, the runner, the configuration."""
