"""A lab: several machines that are one, to see what becomes of a cluster when machines fail.

    plan.py        names and addresses, and nothing else: pure
    record.py      which labs there are, and where each has its folder
    wires.py       the switch, its router and the cables; pulling one out
    boot.py        what runs in a machine from its first moment on: its PID 1
    machine.py     power: on, off, and a shell inside
    hierarchies.py the kernel's control groups, of both versions
    images.py      the demo images, from the host's engine to each machine's
    profile.py     a cluster that is quick to notice
    running.py     up and down, start and kill, in order

Each machine has what makes a machine: a network, mounts, process numbers, a name and control groups of its own (the
kernel's namespaces), a Docker Engine, an agent, and a disk that outlives it. It joins the cluster as any machine does,
with a token over mutual TLS. To kill the first process of its process namespace is to pull the plug: the kernel ends
whatever ran there, at once and without a word.

               the host              the lab's switch               machine n1
        server ── hlab0 ─────── host │ seg0 │ n1 ─────────── eth0   hl-… (bridge) ── pods
                                  router │ seg1 │ n2 ─────── eth0   of n2, on another segment

The switch lives in a network namespace of its own: in the host's, Docker's firewall would see its frames.
"""
