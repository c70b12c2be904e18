"""Behaviour cloning on prepared rows: the policy, its batches, its loss and the loop."""
