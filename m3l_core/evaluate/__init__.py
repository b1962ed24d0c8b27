"""How good a deployed network is, how sure of that one can be, and where it is written down."""
