"""Many runs: grids and searches, what of them is to do, and the processes that do it."""
