"""MLflow, filled from run folders; the folders are the truth, MLflow is a view of them."""
