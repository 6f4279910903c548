"""Tables and pictures made from run folders. Nothing here trains, predicts or needs torch."""
