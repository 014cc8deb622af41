"""What the ZooKeeper store promises beyond the contract, on real servers."""
