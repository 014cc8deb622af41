"""DynamoDB on a real server, and on a server that is made to fail."""
