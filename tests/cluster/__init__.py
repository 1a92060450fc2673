"""A real Kubernetes with Katib and prometheus-operator on one Debian machine, from pinned Go modules and Debian's packages."""
