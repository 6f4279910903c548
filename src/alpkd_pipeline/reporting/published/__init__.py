"""Numbers that others published, kept apart from ours."""
