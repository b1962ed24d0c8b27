"""How fast every engine of this machine is, how right, and how far from what it could be."""
