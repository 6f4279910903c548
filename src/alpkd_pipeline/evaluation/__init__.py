"""What a finished model is worth: scores, predictions, size and speed."""
