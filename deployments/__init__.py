"""What is provisioned as code."""
