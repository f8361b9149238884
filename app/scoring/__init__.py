"""`medidiagnose score`: a great many inputs by the processes of many machines, on Ray Data. Needs the extra `ray`.

Whatever is read is a table in Parquet: a folder is listed into one first. A table is cut into blocks of rows, and a
block makes a part file of the output, named after the block's number and written whole or not at all. So a run that
was interrupted goes on with the blocks that have no part, and a block that was computed twice is there once.

Only numbers of rows travel between the processes. A worker reads its block a few rows at a time, as many as it computes
at once, and keeps the answers of one block: that bounds its memory, whatever the input holds.
"""
