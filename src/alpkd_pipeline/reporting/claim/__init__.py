"""A comparison that proves itself: a zip for reviewers, and how it is read again."""
