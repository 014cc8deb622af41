"""ZooKeeper as a store: 3.6 or newer, through kazoo."""

from coord_zookeeper.store import ZooKeeperStore

__all__ = ["ZooKeeperStore"]
