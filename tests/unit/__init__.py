"""One module at a time: no servers, no processes, no sleeping."""
