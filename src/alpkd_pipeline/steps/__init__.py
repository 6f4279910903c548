"""Steps: node functions that make a result once, whoever runs them, and that can be interrupted."""
