"""The project's kedro commands."""
