"""Image files to samples, and samples to the views a network is trained on."""
