"""The pictures of a comparison: values in, matplotlib figures out."""
