"""Every split, size and speed."""
