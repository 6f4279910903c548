"""Distil fine-tuned encoders into shallower ones with ALP-KD, and prove what it was worth."""

__version__ = "0.1.0"
