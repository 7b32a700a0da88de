"""The model: network, checkpoint, training loop, prediction loop; the only place of torch."""
