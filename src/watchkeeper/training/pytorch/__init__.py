"""Watch a training in PyTorch by hooks on the model, the optimizer and the loss; nothing waits for the device."""
