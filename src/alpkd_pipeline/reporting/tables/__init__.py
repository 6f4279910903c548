"""The tables that a comparison shows, as frames and as files."""
