"""Rendered rooms: furnished at random in the 13 classes of NYUv2, seen by imperfect cameras."""

RESERVED_SEED = 1_000_000
"""Rooms from this seed on are for the sample bag; training sets are refused them."""
