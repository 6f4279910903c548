"""The methods: one family a file. They never import one another."""
