"""From a checkpoint to one file that any engine runs, proven to give the same labels."""
