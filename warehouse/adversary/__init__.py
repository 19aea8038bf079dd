"""The adversary filter: rules that ask the log who is not to be learnt from, what they found, and who was let go."""
