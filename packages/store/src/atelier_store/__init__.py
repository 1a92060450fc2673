"""What trainer, server and engine share: the store's files, and the rules that must be the same in all of them."""
