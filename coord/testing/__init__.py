"""What users and people who write stores test with: stores in memory, faults, the promises.

Owns nothing but the folder. Import what you need from its modules: `memory` (the reference
store), `faults` (requests and replies that go astray), `clock` (time that the caller moves) and
`conformance` (the promises of a store as checks).
"""
