"""Amazon SQS: a queue for workers on many machines."""

from coord_sqs.queue import SqsQueue

__all__ = ["SqsQueue"]
