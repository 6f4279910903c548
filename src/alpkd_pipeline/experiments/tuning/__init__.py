"""Searches for settings: spaces, studies, their records and the presets that they leave."""
