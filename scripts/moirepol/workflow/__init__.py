"""What the workflow's rules and jobs need: settings, plans, jobs, provenance, digests."""
