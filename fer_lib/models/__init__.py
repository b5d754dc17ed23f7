"""Networks of both papers, the loading of pre-trained weights, and the engines of frozen trunks."""
