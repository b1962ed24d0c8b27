"""Methods compared: many training runs, scored on the same images, in one table."""
