"""The tables of a comparison: as frames, and as values that `render` turns into text."""
