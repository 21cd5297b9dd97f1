"""Pods made real: what is wanted, what is found, and the next step from one to the other.

The decisions are pure and read top to bottom: `view` joins a pod with what the runtime has of it, `fate` knows
the rules of restarting, `plan` says what to do next, `status` says what to report. The loops are thin: `manager`
keeps one `worker` per pod, a worker looks, plans, and lets its `hands` do it.
"""
