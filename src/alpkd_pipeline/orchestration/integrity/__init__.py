"""Whether what a store holds is still what was written."""
