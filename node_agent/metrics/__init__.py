"""What the node and its pods use: read every 15 seconds, reported to the server in one call.

rates.py     two looks at counters become a report (pure)
meter.py     a look at one node's containers, and at the machine
reporter.py  the loop
"""
