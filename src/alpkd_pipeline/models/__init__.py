"""Where models come from, what they say about a batch, and how a student is cut from one."""
