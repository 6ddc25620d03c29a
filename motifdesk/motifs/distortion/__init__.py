"""Turn modes on without tearing the network, keeping or breaking symmetry on purpose."""
