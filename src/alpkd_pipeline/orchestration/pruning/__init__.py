"""What of a store no kept result needs, and how it is removed."""
