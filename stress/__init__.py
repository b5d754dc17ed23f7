"""`make stress`: the chain killed, its disk full, its folder taken, its clock jumping, all by chance and on purpose."""
