"""The other column: a virtual machine for the same job, by cited numbers (model) or as a real guest (machine)."""
