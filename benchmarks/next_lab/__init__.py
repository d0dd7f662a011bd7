"""What a model is worth in the next laboratory: as it is, adapted, with a few labels."""
