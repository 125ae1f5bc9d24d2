"""What people ask of the running service, one module for each: runs, releases, re-tests, rollbacks, poison messages.

Nothing here writes to Azure by itself: everything goes through the engine and its gate. `retention` is the nightly
clean-up, and `waking` has roots looked at again that waited for a container.
"""
