"""A state machine that drives the task store through faults, the model it compares it with, and its proof."""
