#!/usr/bin/python3
"""A private OpenStack Swift with its S3 interface on loopback, in one process, until standard input ends.

    swift_server.py DIR [--tls]     DIR: absolute, on a file system with user extended attributes

Writes DIR/env (S3_ENDPOINT, S3_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, TLS_CA) when it serves, and says "ready".
Proxy, account, container and object server are Debian's packages as they are; the kernel chooses the ports.
Exit status 77: a package is missing.
"""
import atexit
import os
import secrets
import shutil
import subprocess
import sys

try:
    import swift.common.utils as utils
except ImportError:
    print("swift-proxy, swift-account, swift-container, swift-object are not installed")
    sys.exit(77)
if not shutil.which("memcached"):
    print("memcached is not installed")
    sys.exit(77)

ROOT = sys.argv[1]
TLS = "--tls" in sys.argv
KEY = secrets.token_hex(16)


def write(name, text):
    path = os.path.join(ROOT, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as out:
        out.write(text)
    return path


def make_certificate():
    """An authority of one's own and a certificate of 127.0.0.1 by it."""
    tls = os.path.join(ROOT, "tls")
    os.makedirs(tls, exist_ok=True)
    at = lambda name: os.path.join(tls, name)
    run = lambda *argv: subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("openssl", "req", "-x509", *curve, "-days", "30", "-subj", "/CN=test authority", "-keyout", at("ca.key"),
        "-out", at("ca.crt"))
    run("openssl", "req", *curve, "-subj", "/CN=127.0.0.1", "-keyout", at("server.key"), "-out", at("server.csr"))
    extensions = write("tls/extensions", "subjectAltName=IP:127.0.0.1\n")
    run("openssl", "x509", "-req", "-in", at("server.csr"), "-CA", at("ca.crt"), "-CAkey", at("ca.key"),
        "-CAcreateserial", "-days", "29", "-extfile", extensions, "-out", at("server.crt"))


utils.SWIFT_CONF_FILE = write("etc/swift.conf", """[swift-hash]
swift_hash_path_suffix = test
[storage-policy:0]
name = gold
default = yes
""")
utils.eventlet_monkey_patch()
import eventlet
import eventlet.wsgi
from swift.common import wsgi
from swift.common.ring import RingBuilder
from swift.common.storage_policy import reload_storage_policies

reload_storage_policies()
sockets = {name: eventlet.listen(("127.0.0.1", 0), backlog=128) for name in ("account", "container", "object", "proxy")}
port = {name: sock.getsockname()[1] for name, sock in sockets.items()}
os.makedirs(os.path.join(ROOT, "node", "d1"))
for name in ("account", "container", "object"):
    ring = RingBuilder(4, 1, 0)
    ring.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1, "ip": "127.0.0.1", "port": port[name], "device": "d1"})
    ring.rebalance()
    ring.get_ring().save(os.path.join(ROOT, "etc", name + ".ring.gz"))

memcached_socket = os.path.join(ROOT, "memcached")
probe = eventlet.listen(("127.0.0.1", 0))
memcached_port = probe.getsockname()[1]
probe.close()
# Who changes its user itself (-u) loses the signal at its parent's death, prctl(2), and stays for ever.
nobody = ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"] if os.geteuid() == 0 else []
memcached = subprocess.Popen(["setpriv", *nobody, "--pdeathsig", "KILL", "memcached", "-l", "127.0.0.1", "-p",
                              str(memcached_port), "-m", "16", "-U", "0"], stdin=subprocess.DEVNULL)
atexit.register(memcached.kill)

common = """[DEFAULT]
swift_dir = %s/etc
devices = %s/node
mount_check = false
disable_fallocate = true
fsync_on_close = false
log_level = WARNING
log_address = %s/nolog
""" % (ROOT, ROOT, ROOT)
apps = {}
for name in ("account", "container", "object"):
    conf = write("etc/%s.conf" % name, common + "[pipeline:main]\npipeline = %s\n[app:%s]\nuse = egg:swift#%s\n" % ((name,) * 3))
    apps[name] = wsgi.loadapp(conf, global_conf={"log_requests": "false"})
filters = "".join("[filter:%s]\nuse = egg:swift#%s\n" % (f, f) for f in ("bulk", "slo", "copy", "symlink", "versioned_writes")) + "allow_object_versioning = true\n"
conf = write("etc/proxy.conf", common + """[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats bulk s3api tempauth copy slo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:%d
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = %s .admin
user_test_reader = %s
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
storage_domain = localhost
min_segment_size = 1048576
""" % (memcached_port, KEY, KEY) + filters)
apps["proxy"] = wsgi.loadapp(conf)

endpoint = "%s://127.0.0.1:%d" % ("https" if TLS else "http", port["proxy"])
if TLS:
    make_certificate()
    sockets["proxy"] = eventlet.wrap_ssl(sockets["proxy"], certfile=os.path.join(ROOT, "tls/server.crt"),
                                         keyfile=os.path.join(ROOT, "tls/server.key"), server_side=True)
quiet = open(os.path.join(ROOT, "log"), "a")
for name, sock in sockets.items():
    eventlet.spawn(eventlet.wsgi.server, sock, apps[name], quiet, protocol=wsgi.SwiftHttpProtocol)
write("env", "S3_ENDPOINT=%s\nS3_REGION=us-east-1\nAWS_ACCESS_KEY_ID=test:tester\nAWS_SECRET_ACCESS_KEY=%s\nTLS_CA=%s\n"
      % (endpoint, KEY, os.path.join(ROOT, "tls/ca.crt") if TLS else ""))
print("ready", flush=True)
eventlet.tpool.execute(sys.stdin.buffer.read)
