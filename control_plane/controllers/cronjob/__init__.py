"""CronJob: starts a Job whenever the clock says so (S#80, 4e).

schedule.py   the times that a schedule names, and what happens to them when clocks are changed
due.py        which of those times has come, which were missed, and when to look again: pure
slots.py      what is noted about each slot, for `describe`: pure
history.py    which finished Jobs are kept
main.py       reads, asks due.py, writes

Kubernetes: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
"""
