"""The DynamoDB store: many processes on many machines, one table."""

from coord_dynamodb.store import DynamoDBStore

__all__ = ["DynamoDBStore"]
