"""The adversary filter: rules over the log that exclude users from learning, their findings, and operators' decisions."""
