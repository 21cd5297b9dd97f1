"""The pod's volumes: directories that exist before its containers start, and are gone after they ended.

All of a pod lies under one directory, <data-dir>/pods/<uid>/, so that what a crash left behind can be found and
removed by looking at the disk alone.
"""
