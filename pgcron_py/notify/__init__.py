"""Sending: what a message says, and how it gets to a webhook, to apprise's services, or to a ping URL. No database here.

Workers and the CLI never send by themselves: `child` does, a process that may hang or die without anybody waiting for it.
"""
