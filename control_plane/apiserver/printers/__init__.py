"""Objects as rows: what `get` shows, exactly as kubectl shows them (S#18). The server prints, so all clients agree.

pod.py and cluster.py have the columns and the rows of each kind, table.py puts them together.
"""
