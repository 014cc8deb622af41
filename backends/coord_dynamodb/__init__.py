"""The DynamoDB store, many processes on many machines; and guards of DynamoDB items, S3 objects."""

from coord_dynamodb.fence import DynamoDBFence, FencedWrites
from coord_dynamodb.once import DynamoDBOnce
from coord_dynamodb.s3 import FencedObject, S3Fence
from coord_dynamodb.store import DynamoDBStore

__all__ = [
    "DynamoDBFence",
    "DynamoDBOnce",
    "DynamoDBStore",
    "FencedObject",
    "FencedWrites",
    "S3Fence",
]
