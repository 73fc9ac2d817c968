"""What stands beside a robust plan: samples, past errors, other approaches."""
