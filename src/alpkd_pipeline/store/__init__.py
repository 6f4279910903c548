"""The store of results: layout, run folders, keys, soundness. Standard library only."""
