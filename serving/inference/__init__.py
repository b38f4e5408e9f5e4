"""The Open Inference Protocol's side of the model: tensors in, tensors out; nothing is read or recorded."""
