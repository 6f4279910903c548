"""A finished model as a folder that is published, behind a gate."""
