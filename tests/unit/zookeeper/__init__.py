"""Parts of the ZooKeeper store that need no server."""
