"""Real processes and real stores, and the built distribution."""
