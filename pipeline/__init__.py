"""All that is Beam: the plan, readers, thin PTransforms, commit and runners."""
