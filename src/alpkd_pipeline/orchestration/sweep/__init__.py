"""Many cells: the grid, what of it is to do, and the processes that do it."""
