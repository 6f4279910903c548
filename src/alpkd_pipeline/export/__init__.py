"""From a finished model to a folder that is served, behind a gate."""
