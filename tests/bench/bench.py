#!/usr/bin/env python3
"""Runs the benchmarks and computes the ratios; see run.sh for the usage and README.md for what each
figure means. Ours and the reference alternate, three rounds, and the medians are compared: the
machine is noisy, the ratio less so."""
import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("BIN", os.path.join(ROOT, "build", "release", "bin"))
TICKS = os.sysconf("SC_CLK_TCK")

# The suites that say how long guests and clients waited, with the bar of each wait (`waited` of lib.sh).
SUITES_OF_WAITS = ("local-fallback", "source-failures", "guests-read-on")

# The bars: (bench, case) -> (compare, ratio or value).
BARS = {
    ("egd", "(1,1) requests"): (">=", 0.9),
    ("egd", "(16,16) requests"): (">=", 0.6),
    ("egd", "(256,16) requests"): (">=", 0.6),
    ("egd", "(1,1) CPU per request"): ("<=", 1.25),
    ("egd", "(16,16) CPU per request"): ("<=", 1.25),
    ("egd", "(256,16) CPU per request"): ("<=", 1.25),
    ("attach", "1 session vs bare stream"): (">=", 0.8),
    ("attach", "CPU per GB vs bare stream"): ("<=", 1.5),
    ("attach", "4 sessions vs raw TLS"): (">=", 0.6),
    ("guest", "read(4096) of /dev/hwrng"): (">=", 0.85),
    ("footprint", "agent RSS, 1,000 idle guests"): ("<=", 1.0),
    ("footprint", "agent RSS, 5,000 idle guests"): ("<=", 1.0),
    ("footprint", "agent CPU, 5,000 idle guests"): ("<=", 1.0),
    ("footprint", "agent RSS grown by 100,000 guests"): ("<=", 1.0),
    ("footprint", "agent descriptors left by them"): ("<=", 0.0),
    ("footprint", "server RSS per attached agent"): ("<=", 1.0),
    ("classes", "grant, 1,000 leaves, depth 3"): ("<=", 1.0),
    ("classes", "grant, 1,000 leaves, depth 5"): ("<=", 1.0),
    ("classes", "grant, 100,000 leaves, depth 5"): ("<=", 1.0),
    ("classes", "memory per class, 100,000 leaves"): ("<=", 1.0),
    ("classes", "memory per idle member"): ("<=", 1.0),
    ("health", "8-byte words"): (">=", 1.0),
    ("health", "4-byte words"): (">=", 1.0),
    ("health", "8-byte words, with replay detector"): (">=", 1.0),
    ("health", "4-byte words, with replay detector"): (">=", 1.0),
    ("conditioning", "SHA-512 to 512 bits, 4 bits a byte"): (">=", 1.0),
    ("drbg", "requests of 4 KiB"): (">=", 0.85),
    ("handover", "longest of the upgrades"): ("<=", 1.0),
    **{("waits", f"{suite}: the worst"): ("<=", 1.0) for suite in SUITES_OF_WAITS},
    ("fairness", "same, one greedy guest"): ("<=", 2.0),
    **{("fairness", f"{crowd}, {window}"): ("<=", 2.0)
       for crowd in ("same", "other", "class") for window in ("beside", "half", "back")},
}

rows = []


def report(bench, case, ours, reference, unit):
    # Nothing to compare with meets no bar, in either direction.
    ratio = ours / reference if reference else float("nan")
    bar = BARS.get((bench, case))
    met = None
    if bar:
        met = ratio >= bar[1] if bar[0] == ">=" else ratio <= bar[1]
    rows.append({"bench": bench, "case": case, "ours": round(ours, 3), "reference": round(reference, 3),
                 "ratio": round(ratio, 3), "unit": unit, "_bar": bar, "_met": met})
    if ARGS.output == "json":
        print(json.dumps({k: v for k, v in rows[-1].items() if not k.startswith("_")}), flush=True)
    else:
        mark = "" if met is None else f"   bar {bar[0]} {bar[1]} {'met' if met else 'MISSED'}"
        print(f"  {case:34s} {ours:12.1f} {reference:12.1f}  {ratio:6.2f}  {unit}{mark}", flush=True)


def title(text, reference):
    if ARGS.output != "json":
        print(f"\n{text}\n  {'case':34s} {'entropyd':>12s} {reference[:12]:>12s}   ratio  unit", flush=True)


@contextlib.contextmanager
def process(*command, log):
    with open(log, "ab") as out:
        p = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        yield p
        if p.poll() is not None:
            last = "".join(open(log, encoding="utf-8", errors="replace").readlines()[-20:])
            sys.exit(f"bench: {os.path.basename(command[0])} ended with status {p.returncode} while it was "
                     f"measured:\n{last}")
    finally:
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()


def wait_for(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    sys.exit(f"bench: {what} did not come within {seconds} s")


def ports(path):
    wait_for(path, lambda: os.path.exists(path) and os.path.getsize(path) > 0)
    return dict(line.split("=", 1) for line in open(path).read().split())


def run_json(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_kib(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    # A process that has ended holds nothing, which would look like the best figure of all.
    sys.exit(f"bench: process {pid} has ended before it was measured")


class Stack:
    """A server and an agent of our own with a throw-away CA: kernel randomness as the source, one
    drbg class without a ceiling, so that what is measured is the way and not the device."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def certificates(self):
        ctl = os.path.join(BIN, "entropyctl")
        subprocess.run([ctl, "pki", "init", "--dir", self.path("pki"), "--name", "BENCH"], check=True,
                       stdout=subprocess.DEVNULL)
        for name, extra in (("server", ["--dns", "localhost", "--ip", "127.0.0.1"]), ("agent", [])):
            subprocess.run([ctl, "pki", "issue", "--dir", self.path("pki"), "--name", name, "--spiffe",
                            f"spiffe://bench/{name}", *extra], check=True, stdout=subprocess.DEVNULL)

    def endpoint(self, who):
        return [self.path(f"pki/{who}.crt"), self.path(f"pki/{who}.key"), self.path("pki/ca.crt")]

    def write_server(self, more, classes):
        cert, key, ca = self.endpoint("server")
        rate = 1024 // len(classes)
        leaves = "\n".join(f"      - {{name: {name}, parent: root, rate: {rate}MiB/s}}" for name in classes)
        with open(self.path("server.yaml"), "w") as f:
            f.write(f"""listen: 127.0.0.1:0
metrics: 127.0.0.1:0
tls: {{cert: {cert}, key: {key}, client_ca: {ca}}}
allow_software: true
# All streams are of one identity.
max_streams_per_identity: 1000
max_in_flight_per_identity: 64MiB
max_messages_per_identity_per_second: 1000000
{more}
sources:
  - {{name: kernel, driver: getrandom}}
pools:
  - name: default
    sources: [kernel]
    classes:
      - {{name: root, rate: 1GiB/s}}
{leaves}
policy:
  - {{identity: "spiffe://bench/agent", role: agent, allow: ["default/*"]}}
""")

    def write_agent(self, port):
        cert, key, ca = self.endpoint("agent")
        with open(self.path("agent.yaml"), "w") as f:
            f.write(f"""servers: ["localhost:{port}"]
tls: {{cert: {cert}, key: {key}, ca: {ca}}}
metrics: 127.0.0.1:0
control: {self.path("agent.sock")}
state_dir: {self.path("state")}
listeners:
  - {{path: {self.path("egd.sock")}, mode: "0600", class: default/bench}}
""")

    @contextlib.contextmanager
    def server(self, more="", classes=("bench",)):
        """`more`: further lines of the configuration."""
        self.write_server(more, classes)
        listening = self.path("server.ports")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(listening)
        with process(os.path.join(BIN, "entropyd"), "--config", self.path("server.yaml"), "--ports-file",
                     listening, log=self.path("server.log")) as p:
            yield p, int(ports(listening)["grpc"])

    @contextlib.contextmanager
    def agent(self, port):
        self.write_agent(port)
        with process(os.path.join(BIN, "entropyd-hostagent"), "--config", self.path("agent.yaml"),
                     "--ports-file", self.path("agent.ports"), log=self.path("agent.log")) as p:
            wait_for("the agent's socket", lambda: os.path.exists(self.path("egd.sock")))
            time.sleep(1)  # attach
            yield p, self.path("egd.sock")


@contextlib.contextmanager
def minimal_server(folder):
    path = os.path.join(folder, "minimal.sock")
    with process(os.path.join(BIN, "bench_minimal_egd"), path, log=os.path.join(folder, "minimal.log")) as p:
        wait_for("the minimal server's socket", lambda: os.path.exists(path))
        yield p, path


def median_of(rounds, key):
    return statistics.median(r[key] for r in rounds)


def egd_load(server, *arguments):
    """What bench_egd_load says, and the CPU time per request of the process that was asked."""
    asked, path = server
    before = cpu_seconds(asked.pid)
    result = run_json(os.path.join(BIN, "bench_egd_load"), path, *arguments)
    result["cpu_us"] = (cpu_seconds(asked.pid) - before) * 1e6 / max(1, result["bytes"] / 64)
    return result


def bench_egd(stack):
    title("EGD, 64-byte requests by 0x02; (connections, outstanding on each)", "minimal")
    with stack.server() as (_, port), stack.agent(port) as ours, minimal_server(stack.folder) as reference:
        for connections, outstanding in ((1, 1), (1, 16), (16, 16), (256, 16)):
            mine, theirs = [], []
            for _ in range(ARGS.rounds):
                arguments = [str(connections), str(outstanding), str(ARGS.seconds)]
                theirs.append(egd_load(reference, *arguments))
                mine.append(egd_load(ours, *arguments))
            case = f"({connections},{outstanding})"
            report("egd", f"{case} requests", median_of(mine, "requests_per_second"),
                   median_of(theirs, "requests_per_second"), "1/s")
            report("egd", f"{case} CPU per request", median_of(mine, "cpu_us"), median_of(theirs, "cpu_us"), "us")
            report("egd", f"{case} p50", median_of(mine, "p50_us"), median_of(theirs, "p50_us"), "us")
            report("egd", f"{case} p99", median_of(mine, "p99_us"), median_of(theirs, "p99_us"), "us")


def transfer(server_pid, *command):
    """One measured draw: MB/s, and CPU seconds per GB of both ends together."""
    before = cpu_seconds(server_pid)
    result = run_json(*command)
    server = cpu_seconds(server_pid) - before
    # Both ends also worked in the warm-up (a tenth of the time): scale the bytes likewise.
    gigabytes = result["bytes"] * 1.1 / 1e9
    return {"mbps": result["bytes"] / result["seconds"] / 1e6,
            "cpu": (server + result["cpu_seconds"]) / gigabytes if gigabytes else float("inf"),
            "message": result["bytes"] / max(1, result["messages"])}


KIB = 1024
GRANT = 16 * KIB


def bench_attach(stack):
    """All grants are of 16 KiB. One session: one grant a message, as many bytes as the bare stream's
    messages. Four sessions: 16 channels each, in a class each, whose grants travel together."""
    program = os.path.join(BIN, "bench_attach")
    server_end, agent_end = stack.endpoint("server"), stack.endpoint("agent")
    seconds = str(ARGS.seconds)

    @contextlib.contextmanager
    def reference(kind, message=GRANT):
        listening = stack.path(f"{kind}.{message}.ports")
        with process(program, f"{kind}-server", "127.0.0.1:0", *server_end, listening, str(message),
                     log=stack.path(f"{kind}.log")) as p:
            port = int(ports(listening)["grpc"])
            yield lambda streams: transfer(p.pid, program, kind, f"localhost:{port}", *agent_end,
                                           str(streams), seconds)

    @contextlib.contextmanager
    def ours(sessions, channels, window, more):
        # A stream has one channel per class.
        classes = ["bench"] if channels == 1 else [f"bench{i}" for i in range(channels)]
        with stack.server(more, classes) as (p, port):
            yield lambda: transfer(p.pid, program, "attach", f"localhost:{port}", *agent_end,
                                   "default/bench", str(sessions), seconds, str(channels), str(window))

    def show(mine, theirs, case, cpu_case):
        report("attach", case, median_of(mine, "mbps"), median_of(theirs, "mbps"), "MB/s")
        report("attach", cpu_case, median_of(mine, "cpu"), median_of(theirs, "cpu"), "s/GB")

    mine, theirs = [], []
    with reference("bare") as bare, ours(1, 1, 1024 * KIB, "max_payload: 16KiB\nmax_credit: 1MiB") as attach:
        # Where the kernel places the threads of a single connection decides about half its speed, on
        # either side: only the median of many connections compares the two.
        for _ in range(ARGS.rounds * 3):
            theirs.append(bare(1))
            mine.append(attach())
    title(f"Attach, one session, 16 KiB grants; {median_of(mine, 'message') / KIB:.0f} KiB a message", "reference")
    show(mine, theirs, "1 session vs bare stream", "CPU per GB vs bare stream")

    mine, transport, theirs = [], [], []
    with reference("tls") as tls, reference("bare", 256 * KIB) as bare, ours(4, 16, 64 * KIB, "") as attach:
        for _ in range(ARGS.rounds):
            theirs.append(tls(4))
            transport.append(bare(4))
            mine.append(attach())
    title("Attach, four sessions, 16 channels each, 16 KiB grants; "
          f"{median_of(mine, 'message') / KIB:.0f} KiB a message", "reference")
    show(mine, theirs, "4 sessions vs raw TLS", "CPU per GB vs raw TLS")
    # What gRPC alone makes of the same messages, and what we add to it.
    show(transport, theirs, "4 bare streams vs raw TLS", "CPU per GB, bare vs raw")
    show(mine, transport, "4 sessions vs 4 bare streams", "CPU per GB vs 4 bare")


def bench_guest(stack):
    title("A QEMU guest's virtio-rng", "minimal")
    kernel = os.environ.get("ENTROPYD_GUEST_KERNEL", os.path.join(ROOT, "build", "guest-kernel"))
    subprocess.run([os.path.join(ROOT, "deploy", "fetch-guest-kernel.sh"), kernel], check=True,
                   stdout=subprocess.DEVNULL)
    os.environ["ENTROPYD_GUEST_KERNEL"] = kernel
    count = str(int(ARGS.seconds * 256 * 1024))
    boot = [os.path.join(BIN, "entropyctl"), "guest-boot", "--bytes", count, "-o", "json", "--socket"]
    with stack.server() as (_, port), stack.agent(port) as (_, ours), minimal_server(stack.folder) as (_, reference):
        mine, theirs = [], []
        for _ in range(ARGS.rounds):
            theirs.append(run_json(*boot, reference))
            mine.append(run_json(*boot, ours))
    rate = lambda rounds: statistics.median(r["bytes"] / r["seconds"] / 1000 for r in rounds)
    report("guest", "read(4096) of /dev/hwrng", rate(mine), rate(theirs), "kB/s")


def bench_footprint(stack):
    title("Memory (reference = the most that is allowed)", "limit")
    program = os.path.join(BIN, "bench_attach")
    agents = 100 if ARGS.smoke else 500
    with stack.server() as (server, port):
        before = rss_kib(server.pid)
        log = stack.path("idle.log")
        with process(program, "idle", f"localhost:{port}", *stack.endpoint("agent"), "default/bench",
                     str(agents), "60", log=log):
            wait_for(f"{agents} attached agents", lambda: b"attached" in open(log, "rb").read(), 120)
            time.sleep(1)
            report("footprint", "server RSS per attached agent", (rss_kib(server.pid) - before) / agents, 130,
                   "KiB")
    with stack.server() as (_, port), stack.agent(port) as (agent, socket_path):
        with idle_guests(stack, socket_path, 1000):
            time.sleep(1)
            report("footprint", "agent RSS, 1,000 idle guests", rss_kib(agent.pid) / 1024, 40, "MiB")
    with stack.server() as (_, port), stack.agent(port) as (agent, socket_path):
        with idle_guests(stack, socket_path, 5000):
            time.sleep(3)  # priming checks and the first rates are over
            seconds = 2 if ARGS.smoke else 10
            before = cpu_seconds(agent.pid)
            time.sleep(seconds)
            used = cpu_seconds(agent.pid) - before
            report("footprint", "agent RSS, 5,000 idle guests", rss_kib(agent.pid) / 1024, 64, "MiB")
            report("footprint", "agent CPU, 5,000 idle guests", 100 * used / seconds, 1, "% of a core")
    bench_churn(stack)


@contextlib.contextmanager
def idle_guests(stack, socket_path, count):
    """So many connected guests. One asks, once; the next one would ask 200 s later."""
    control = stack.path("guests.control")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(control)
    with process(os.path.join(BIN, "it_egd_guests"), control, socket_path, str(count), "1", "16",
                 "1000000000", log=stack.path("guests.log")):
        wait_for(f"{count:,} guests", lambda: os.path.exists(control), 60)
        yield


def bench_churn(stack):
    """Guests that come, read 16 bytes and go: what is kept for good is there after the first tenth."""
    cycles = 2000 if ARGS.smoke else 100000
    guest = os.path.join(ROOT, "tests", "integration", "identity", "guest.py")
    with stack.server() as (_, port), stack.agent(port) as (agent, socket_path):
        churn = lambda n: subprocess.run(["/usr/bin/python3", guest, socket_path, "--churn", str(n)], check=True)
        fds = lambda: len(os.listdir(f"/proc/{agent.pid}/fd"))
        churn(cycles // 10)
        before, files = rss_kib(agent.pid), fds()
        churn(cycles - cycles // 10)
        time.sleep(1)
        case = f"agent RSS grown by {cycles:,} guests"
        report("footprint", case, max(0, rss_kib(agent.pid) - before) / 1024, 1, "MiB")
        report("footprint", "agent descriptors left by them", max(0, fds() - files), 1, "")


def bench_classes(stack):
    title("The class tree, chunks of 256 B, CPU time of one core (reference = the most that is allowed)", "limit")
    program = os.path.join(BIN, "bench_class_tree")
    # Against a fixed limit the least of the rounds counts: whoever else is on the machine only adds to it.
    least = lambda rounds, key: min(r[key] for r in rounds)
    for leaves, depth, limit in ((1000, 3, 350), (1000, 5, 600), (100000, 5, 1500)):
        rounds = [run_json(program, str(leaves), str(depth), str(ARGS.seconds)) for _ in range(ARGS.rounds)]
        report("classes", f"grant, {leaves:,} leaves, depth {depth}", least(rounds, "ns_per_grant"), limit, "ns")
    report("classes", f"memory per class, {leaves:,} leaves", least(rounds, "bytes_per_class"), 400, "B")
    report("classes", "memory per idle member", least(rounds, "bytes_per_member"), 400, "B")


def bench_health(stack):
    title("Health tests at byte and word width, input per core (reference = the least that is allowed)", "limit")
    program = os.path.join(BIN, "bench_entropy")
    for word_bytes in (8, 4):
        rounds = [run_json(program, "health", str(word_bytes), str(ARGS.seconds)) for _ in range(ARGS.rounds)]
        # As with any fixed limit the best of the rounds counts.
        report("health", f"{word_bytes}-byte words", max(r["mb_per_second"] for r in rounds), 300, "MB/s")
    for word_bytes in (8, 4):
        rounds = [run_json(program, "lag", str(word_bytes), str(ARGS.seconds)) for _ in range(ARGS.rounds)]
        report("health", f"{word_bytes}-byte words, with replay detector", max(r["mb_per_second"] for r in rounds), 50,
               "MB/s")


def bench_conditioning(stack):
    program = os.path.join(BIN, "bench_entropy")
    runs = {bits: [run_json(program, "conditioning", str(bits), str(ARGS.seconds)) for _ in range(ARGS.rounds)]
            for bits in (4, 1, 8)}
    title("Conditioning, input per core (reference = the least that is allowed at 4 bits)", "limit")
    for bits, rounds in runs.items():
        how = f"{rounds[0]['function']} to {rounds[0]['block_bits']} bits"
        report("conditioning", f"{how}, {bits} bit{'s' if bits > 1 else ''} a byte",
               max(r["mb_per_second"] for r in rounds), 250, "MB/s")


def bench_drbg(stack):
    title("CTR_DRBG AES-256, 32 bytes of additional input a request, output per core", "OpenSSL")
    program = os.path.join(BIN, "bench_entropy")
    for kib in (4, 64):
        rounds = [run_json(program, "drbg", str(kib * KIB), str(ARGS.seconds)) for _ in range(ARGS.rounds)]
        report("drbg", f"requests of {kib} KiB", median_of(rounds, "ours"), median_of(rounds, "reference"), "MB/s")


def run_suite(stack, name, variable):
    """Runs an integration suite, which writes what it measured into the file that the variable names."""
    figures, log = stack.path(f"{name}.figures"), stack.path(f"{name}.log")
    suite = os.path.join(ROOT, "tests", "integration", "suite.sh")
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run([suite, name], env={**os.environ, "BIN": BIN, variable: figures},
                              stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: the suite {name} failed:\n" + "".join(open(log, encoding="utf-8").readlines()[-40:]))
    return open(figures, encoding="utf-8").read().splitlines()


def bench_fairness(stack):
    if ARGS.smoke:
        return  # its suite is a step of tests/run.sh
    title("A polite guest's wait beside greedy ones, p50", "alone")
    for line in run_suite(stack, "fairness", "FAIRNESS_LATENCIES"):
        wait = json.loads(line)
        report("fairness", wait["case"], wait["beside_us"], wait["alone_us"], "us")


def bench_handover(stack):
    if ARGS.smoke:
        return  # its suite is a step of tests/run.sh
    title("The longest wait of 256 busy guests around an upgrade", "limit")
    pauses = sorted(float(line) for line in run_suite(stack, "handover", "HANDOVER_PAUSES"))
    report("handover", "median of the upgrades", statistics.median(pauses), 100, "ms")
    report("handover", "longest of the upgrades", pauses[-1], 100, "ms")


def bench_waits(stack):
    if ARGS.smoke:
        return  # their suites are steps of tests/run.sh
    title("The longest waits around faults (reference = the most that is allowed)", "limit")
    for suite in SUITES_OF_WAITS:
        waits = [json.loads(line) for line in run_suite(stack, suite, "WAITS")]
        for wait in waits:
            report("waits", wait["case"], wait["ms"], wait["bar_ms"], "ms")
        worst = max(waits, key=lambda wait: wait["ms"] / wait["bar_ms"])
        report("waits", f"{suite}: the worst", worst["ms"], worst["bar_ms"], "ms")


BENCHES = {"egd": bench_egd, "attach": bench_attach, "guest": bench_guest, "footprint": bench_footprint,
           "classes": bench_classes, "health": bench_health, "conditioning": bench_conditioning,
           "drbg": bench_drbg, "fairness": bench_fairness, "handover": bench_handover, "waits": bench_waits}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument("bench", nargs="*", choices=[*BENCHES, []])
    args = parser.parse_args()
    args.rounds = 1 if args.smoke else 3
    if args.smoke:
        args.seconds = 0.5
    return args


def main():
    if not os.path.exists(os.path.join(BIN, "bench_attach")):
        sys.exit(f"bench: no bench_attach in {BIN}; build first: cmake --preset release && "
                 "cmake --build --preset release")
    with tempfile.TemporaryDirectory(prefix="entropyd-bench.", dir="/tmp") as folder:
        stack = Stack(folder)
        stack.certificates()
        try:
            for name in ARGS.bench or BENCHES:
                BENCHES[name](stack)
        except BaseException:
            for log in ("server.log", "agent.log"):
                if os.path.exists(stack.path(log)):
                    sys.stderr.write(f"---- {log}\n" + "".join(open(stack.path(log)).readlines()[-20:]))
            raise
    missed = [f'{r["bench"]}: {r["case"]}' for r in rows if r["_met"] is False]
    if not ARGS.smoke:  # which measures less
        reported = {(r["bench"], r["case"]) for r in rows}
        for bench, case in BARS:
            if bench in (ARGS.bench or BENCHES) and (bench, case) not in reported:
                missed.append(f"{bench}: {case} (was not measured)")
    if ARGS.output != "json":
        print(f"\nbench: {len(rows)} figures, {len(missed)} bars missed" +
              ("" if ARGS.check else " (not enforced; --check does)"))
    if not rows:
        sys.exit("bench: nothing was measured")
    if ARGS.check and missed:
        sys.exit("bench: missed: " + "; ".join(missed))


ARGS = arguments()
main()
