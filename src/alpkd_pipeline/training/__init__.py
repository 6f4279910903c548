"""Training: one plain loop for teachers and students, without Kedro and MLflow."""
