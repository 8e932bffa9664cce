"""The one weighted-likelihood trainer and the row weights of its objective."""
