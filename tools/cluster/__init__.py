"""A real Kubernetes with Katib and Prometheus on one Debian machine, from pinned Go modules and Debian's packages."""
