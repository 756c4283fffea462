"""An experiment's report: a record for machines, and one page for people that needs nothing else."""
