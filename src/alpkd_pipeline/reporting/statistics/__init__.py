"""What may be said about methods from runs over seeds."""
