"""Samples to a checkpoint."""
