"""The adversary filter: rules over the log that exclude users, their findings, and people's decisions."""
