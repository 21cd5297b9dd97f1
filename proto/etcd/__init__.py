"""The part of etcd's v3 API that the store uses."""
