"""Teacher signals and the student."""
