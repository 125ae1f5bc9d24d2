"""What runs in the environment of Cloud Custodian, which the rest of the project never imports."""
