"""Run folders: journal, manifest, keys. Standard library only."""
