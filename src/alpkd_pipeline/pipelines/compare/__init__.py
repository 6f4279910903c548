"""The comparison of all students."""
