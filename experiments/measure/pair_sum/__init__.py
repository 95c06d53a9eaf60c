"""The sum over pairs beside its peers and beside the hardware's floor."""
