"""The only place where input becomes tensors; the training package imports it too."""
