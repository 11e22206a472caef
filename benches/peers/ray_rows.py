"""Ray's side of the table: prints one line of JSON for each figure, {"key": .., "value": ..}.

usage: ray_rows.py --rows latency,bulk,.. --cpus N --limit SECONDS [--text FILE]

The keys are those of raykit-benches. A row that fails prints {"key": .., "text": why}; past the limit no
further row begins.
"""
import argparse
import collections
import json
import os
import statistics
import time

options = argparse.ArgumentParser()
options.add_argument("--rows", required=True)
options.add_argument("--cpus", type=int, required=True)
options.add_argument("--limit", type=float, required=True)
options.add_argument("--text")
options = options.parse_args()
END = time.monotonic() + options.limit

import numpy as np
import psutil
import ray

now = time.perf_counter


def say(key, value):
    print(json.dumps({"key": key, "value": value}), flush=True)


def say_text(key, text):
    text = " ".join(str(text).split())[:300]
    print(json.dumps({"key": key, "text": text.replace('"', "'").replace("\\", "/")}), flush=True)


def timed(what):
    begun = now()
    value = what()
    return now() - begun, value


def p50(times, sample):
    return statistics.median(sample() for _ in range(times))


def processes():
    """Ray's processes, without the driver."""
    return psutil.Process().children(recursive=True)


def total(what):
    parts = []
    for process in processes():
        try:
            parts.append(what(process))
        except psutil.Error:
            pass
    return sum(parts)


@ray.remote
def empty():
    return None


@ray.remote
def tree(depth):
    if depth == 0:
        return 1
    return 1 + sum(ray.get([tree.remote(depth - 1) for _ in range(10)]))


@ray.remote
def one_more(n):
    return n + 1


@ray.remote
def ends(numbers):
    return float(numbers[0] + numbers[-1])


@ray.remote
def throw(seed, points):
    rng = np.random.Generator(np.random.PCG64(seed))
    hits = 0
    for _ in range(points // 10_000):
        x, y = rng.random(10_000), rng.random(10_000)
        hits += int(np.count_nonzero(x * x + y * y <= 1.0))
    return hits


@ray.remote
def count(path, begin, end):
    with open(path, "rb") as file:
        file.seek(begin)
        return collections.Counter(file.read(end - begin).split())


@ray.remote(num_cpus=0)
class Counter:
    def __init__(self):
        self.n = 0

    def add(self, by):
        self.n += by
        return self.n


@ray.remote
def ask_from_task(counter):
    return p50(2_000, lambda: timed(lambda: ray.get(counter.add.remote(1)))[0])


@ray.remote
def first(numbers):
    return float(numbers[0])


@ray.remote
def sum_of(numbers):
    return timed(lambda: float(numbers.sum()))[0]


@ray.remote
def spin(seconds):
    end = now() + seconds
    while now() < end:
        pass


def warm_up():
    ray.get([empty.remote() for _ in range(500)])


def call():
    return timed(lambda: ray.get(empty.remote()))[0]


def process():
    started = timed(lambda: (start(), ray.get(empty.remote())))[0]
    say("process.init", started)
    time.sleep(5)
    say("process.memory", total(lambda p: p.memory_info().rss))
    cpu = lambda: total(lambda p: sum(p.cpu_times()[:2]))
    before = cpu()
    time.sleep(5)
    say("process.cpu", (cpu() - before) / 5 * 100)


def latency():
    def after_idle():
        time.sleep(0.01)
        return call()

    say("latency.back", p50(2_000, call))
    say("latency.idle", p50(100, after_idle))


def bulk():
    seconds, _ = timed(lambda: ray.get([empty.remote() for _ in range(100_000)]))
    say("bulk.got", seconds * 10)


def nested():
    seconds, tasks = timed(lambda: ray.get(tree.remote(4), timeout=120))
    assert tasks == 11_111
    say("nested.task", seconds / tasks)


def chain():
    def sample():
        last = one_more.remote(0)
        for _ in range(999):
            last = one_more.remote(last)
        assert ray.get(last) == 1_000

    say("chain.link", p50(3, lambda: timed(sample)[0]) / 1_000)


def actor():
    counter = Counter.remote()
    ray.get(counter.add.remote(0))
    say("actor.main", p50(2_000, lambda: timed(lambda: ray.get(counter.add.remote(1)))[0]))
    from_task = ray.get(ask_from_task.remote(counter))
    say("actor.task", from_task)
    say("actor.async", from_task)


def wait():
    def ready():
        refs = [empty.remote() for _ in range(1_000)]
        ray.wait(refs, num_returns=1_000)
        return refs

    def all_of_them():
        refs = ready()
        return timed(lambda: ray.wait(refs, num_returns=1_000))[0]

    def one_by_one():
        left = ready()
        begun = now()
        while left:
            _, left = ray.wait(left, num_returns=1)
        return now() - begun

    at_once = p50(5, all_of_them)
    say("wait.all", at_once)
    say("wait.moved", at_once)
    drained = p50(5, one_by_one)
    say("wait.drain", drained)
    say("wait.completed", drained)


def put():
    numbers = np.full((1 << 30) // 8, 1.5)

    def sample():
        seconds, _ = timed(lambda: ray.get(ray.put(numbers)))
        time.sleep(0.3)  # the object that went is cleared away
        return seconds

    say("put.shared", p50(4, sample))


def passing():
    numbers = ray.put(np.full((100 << 20) // 8, 1.5))

    def sample():
        assert ray.get([ends.remote(numbers) for _ in range(100)]) == [3.0] * 100

    sample()
    say("pass.all", p50(5, lambda: timed(sample)[0]))


def wordcount():
    size = os.path.getsize(options.text)
    cuts = [0]
    with open(options.text, "rb") as file:
        for at in range(1, 64):
            file.seek(size * at // 64)
            file.readline()
            cuts.append(file.tell())
    cuts.append(size)

    def sample():
        parts = ray.get([count.remote(options.text, a, b) for a, b in zip(cuts, cuts[1:])])
        whole = collections.Counter()
        for part in parts:
            whole.update(part)

    say("wordcount.all", p50(3, lambda: timed(sample)[0]))


def pi():
    def sample():
        return sum(ray.get([throw.remote(seed, 2_000_000) for seed in range(100)]))

    ray.get([throw.remote(seed, 10_000) for seed in range(8)])
    say("pi.all", p50(3, lambda: timed(sample)[0]))


def share():
    numbers = np.full((1 << 30) // 8, 1.5)
    for key in ("share.fresh", "share.warm"):
        def sample():
            stored = ray.put(numbers)
            assert ray.get(first.remote(stored)) == 1.5
            return stored

        seconds, stored = timed(sample)
        say(key, seconds)
        if key == "share.warm":
            say("share.first", p50(20, lambda: timed(lambda: ray.get(first.remote(stored)))[0]))
            say("share.sum", p50(3, lambda: ray.get(sum_of.remote(stored))))
        del stored
        time.sleep(0.7)


class Two:
    """A cluster of two nodes of one CPU on this host; the driver is at the first."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        args = dict(num_cpus=1, object_store_memory=4 << 30, include_dashboard=False)
        self.cluster = Cluster(initialize_head=True, head_node_args=args)
        self.cluster.add_node(num_cpus=1, object_store_memory=4 << 30)
        ray.init(address=self.cluster.address, log_to_driver=False, logging_level="warning")
        own = ray.get_runtime_context().get_node_id()
        self.there = self.only(*(n["NodeID"] for n in ray.nodes() if n["NodeID"] != own))

    @staticmethod
    def only(node):
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node, soft=False)


def far(two):
    far_one = empty.options(scheduling_strategy=two.there)
    ray.get([far_one.remote() for _ in range(500)])
    say("far.one", p50(1_000, lambda: timed(lambda: ray.get(far_one.remote()))[0]))
    seconds, _ = timed(lambda: ray.get([far_one.remote() for _ in range(10_000)]))
    say("far.million", seconds * 100)
    say("far.cable", seconds * 100)


def callee(two):
    counter = Counter.options(scheduling_strategy=two.there).remote()
    ray.get([counter.add.remote(1) for _ in range(500)])
    say("callee.one", p50(1_000, lambda: timed(lambda: ray.get(counter.add.remote(1)))[0]))
    seconds, _ = timed(lambda: ray.get([counter.add.remote(1) for _ in range(10_000)]))
    say("callee.many", seconds * 10)


def wire(two):
    numbers = np.full((1 << 30) // 8, 1.5)
    there = first.options(scheduling_strategy=two.there)
    ray.get(there.remote([1.0]))

    def sample():
        stored = ray.put(numbers)
        seconds, read = timed(lambda: ray.get(there.remote(stored)))
        assert read == 1.5
        del stored
        time.sleep(0.7)  # the object that went is cleared away
        return seconds

    sample()
    seconds = p50(3, sample)
    say("wire.jumbo", seconds)
    say("wire.jumbo.again", seconds)


def skew(two):
    ray.get([spin.remote(0.005) for _ in range(100)])
    say("skew.even", p50(3, lambda: timed(lambda: ray.get([spin.remote(0.005) for _ in range(200)]))[0]))


JOIN = """
import sys, time, ray
begun = time.perf_counter()
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="warning")
ray.get(ray.remote(lambda: None).remote())
print(time.perf_counter() - begun)
"""


def join(two):
    import subprocess
    import sys

    told = subprocess.run([sys.executable, "-c", JOIN, two.cluster.address], capture_output=True, text=True)
    say("join.driver", float(told.stdout.split()[-1]))

    def sample():
        known = {n["NodeID"] for n in ray.nodes()}
        two.cluster.add_node(num_cpus=1, object_store_memory=1 << 30)
        new = [n["NodeID"] for n in ray.nodes() if n["NodeID"] not in known]
        ray.get(empty.options(scheduling_strategy=two.only(*new)).remote())

    say("join.node", timed(sample)[0])


def start():
    ray.init(
        num_cpus=options.cpus,
        include_dashboard=False,
        object_store_memory=4 << 30,
        log_to_driver=False,
        logging_level="warning",
    )


def main():
    say_text("version", ray.__version__)
    # The start comes first, before anything is warm.
    rows = dict(
        process=process, latency=latency, chain=chain, actor=actor, wait=wait, put=put, wordcount=wordcount,
        pi=pi, bulk=bulk, nested=nested,
    )
    rows["pass"] = passing
    rows["share"] = share
    on_two = dict(far=far, callee=callee, wire=wire, skew=skew, join=join)
    wanted = options.rows.split(",")
    two = None
    for name, row in (rows | on_two).items():
        if name not in wanted:
            continue
        if time.monotonic() > END:
            say_text(name, "left out, the time was over")
            continue
        try:
            if name in on_two:
                if two is None:
                    ray.shutdown()
                    two = Two()
                row(two)
                continue
            if not ray.is_initialized() and name != "process":
                start()
            if name != "process":
                warm_up()
            row()
        except Exception as error:
            say_text(name, f"{type(error).__name__}: {error}")
    ray.shutdown()
    if two is not None:
        two.cluster.shutdown()


if __name__ == "__main__":
    main()
