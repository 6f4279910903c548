"""The fine-tuned teacher."""
