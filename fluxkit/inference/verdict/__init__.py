"""When to trust an answer, why not, and what is then tried."""
