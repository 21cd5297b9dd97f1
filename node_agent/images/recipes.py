"""What goes into each local image, as data: Debian packages, programs, a few files, a command.

No registry is needed to run Helmling, so these images are made on the machine itself. Two decisions
are worth knowing:

- The shell is Debian's *dynamic* busybox with glibc beside it. The static one crashes as soon as it
  looks up a name, because glibc loads its name services at run time.
- Kubernetes ends a container with SIGTERM, on which nginx drops what it is doing; it finishes the
  requests in flight on SIGQUIT. So PID 1 of `hello` is dumb-init, which turns one into the other.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

LAYOUT = 1  # raise it when rootfs.py lays files out differently, and every image is built again


@dataclass(frozen=True)
class Recipe:
    image: str  # name:tag
    packages: tuple[str, ...]  # Debian's names; the libraries they depend on come along
    programs: Mapping[str, str]  # path in a package -> path in the image
    config: Mapping[str, object]  # the image's configuration, as OCI spells it
    shell: bool = True  # add a link for each busybox applet, users, /tmp, name lookup
    files: Mapping[str, str] = field(default_factory=dict)  # path -> text
    links: Mapping[str, str] = field(default_factory=dict)  # path -> target

    def digest(self) -> str:
        """Changes whenever the recipe does: an image carrying it as a label is up to date."""
        text = json.dumps([LAYOUT, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELL_PACKAGES = ("busybox", "libc6", "libc-bin")
SHELL_PROGRAMS = {"usr/bin/busybox": "usr/bin/busybox", "usr/bin/getent": "usr/bin/getent"}

PAUSE = Recipe(
    image="helmling/pause:1",
    packages=("catatonit",),
    programs={"usr/bin/catatonit": "pause"},
    config={"Entrypoint": ["/pause", "-P"]},
    shell=False,
)

BOX = Recipe(
    image="helmling/box:1",
    packages=SHELL_PACKAGES,
    programs=SHELL_PROGRAMS,
    config={"Cmd": ["sh"], "Env": [PATH]},
)

# Everything nginx writes goes to /tmp, so that any user can run it.
NGINX_CONF = """\
daemon off;
worker_processes 1;
worker_shutdown_timeout 20s;
user nobody nogroup;
pid /tmp/nginx.pid;
error_log /dev/stderr;

events { worker_connections 1024; }

http {
  client_body_temp_path /tmp/nginx-client-body;
  proxy_temp_path       /tmp/nginx-proxy;
  fastcgi_temp_path     /tmp/nginx-fastcgi;
  uwsgi_temp_path       /tmp/nginx-uwsgi;
  scgi_temp_path        /tmp/nginx-scgi;

  access_log /dev/stdout;
  default_type text/plain;
  server_tokens off;

  server {
    listen 80;
    root /srv;

    location = /        { return 200 "hello from $hostname, version VERSION\\n"; }
    location = /version { return 200 "VERSION\\n"; }
    # Probes come every few seconds and would drown everything else in the log.
    location = /healthz { access_log off; return 200 "ok\\n"; }
    # An answer that takes about four seconds: stop the pod meanwhile and see that it still arrives.
    location = /slow    { limit_rate 1k; try_files /slow.txt =404; }
  }
}
"""


def hello(version: str) -> Recipe:
    return Recipe(
        image=f"helmling/hello:{version}",
        packages=(*SHELL_PACKAGES, "nginx", "dumb-init"),
        programs={
            **SHELL_PROGRAMS,
            "usr/sbin/nginx": "usr/sbin/nginx",
            "usr/bin/dumb-init": "usr/bin/dumb-init",
        },
        files={
            "etc/nginx/nginx.conf": NGINX_CONF.replace("VERSION", version),
            "srv/slow.txt": "slow\n" * 1024,
        },
        # nginx opens this one before it has read any configuration.
        links={"var/log/nginx/error.log": "/dev/stderr"},
        config={
            "Cmd": ["dumb-init", "--single-child", "--rewrite", "15:3", "nginx"],
            "Env": [PATH],
            "ExposedPorts": {"80/tcp": {}},
            "StopSignal": "SIGTERM",
        },
    )


RECIPES = (PAUSE, BOX, hello("v1"), hello("v2"))
