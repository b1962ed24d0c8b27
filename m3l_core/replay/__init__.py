"""A bag through the decoder, stream and engine of the node, on the bag's clock, and scored."""
