"""Reruns: a stored run made again in a fresh store, and compared with what it was."""
