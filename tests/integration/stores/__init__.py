"""Whole fleets on etcd, ZooKeeper and DynamoDB: real servers, real processes, real signals."""
