"""The etcd store: many machines, one cluster that the operator already trusts."""

from coord_etcd.store import EtcdStore

__all__ = ["EtcdStore"]
