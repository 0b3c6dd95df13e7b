#!/usr/bin/env python3
"""Sends the same requests to a Kubeplex control plane and to a real kube-apiserver and compares the answers.

Usually started by `cargo xtask differential`. Exits with 1 when there are differences that allowed.txt does not have,
or entries there that match no difference any more.
"""

import argparse
import collections
import pathlib
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import compare
import documents
import generic
import scenario
import wire

HERE = pathlib.Path(__file__).parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle", default="https://127.0.0.1:16443", help="URL of the real kube-apiserver")
    parser.add_argument("--oracle-token", default="admin")
    parser.add_argument("--subject", help="URL of the control plane")
    parser.add_argument("--subject-token")
    parser.add_argument("--subject-kubeconfig", help="instead of URL and token")
    parser.add_argument("--only", default="", help="runs scenarios whose name begins so (several: comma)")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--all", action="store_true", help="also prints the differences that are allowed")
    parser.add_argument("--summary", action="store_true", help="groups equal differences")
    return parser.parse_args()


def scenarios(options, oracle):
    found = []
    for path in sorted((HERE / "cases").glob("*.http")):
        found += scenario.parse(path.stem, path.read_text(encoding="utf-8"))
    found += generic.scenarios(wire.Connection(oracle), HERE / "fixtures.json")
    found += documents.scenarios(wire.Connection(oracle))
    wanted = [prefix for prefix in options.only.split(",") if prefix]
    return [s for s in found if not wanted or any(s.name.startswith(prefix) for prefix in wanted)]


class Report:
    """Collects cases and differences from all threads."""

    def __init__(self, options, run_id):
        self.lock = threading.Lock()
        self.options, self.differ = options, compare.Differ(run_id)
        self.allowed = compare.Allowed(HERE / "allowed.txt")
        self.cases = self.unequal = 0
        self.groups = collections.defaultdict(list)
        self.areas = collections.Counter()

    def case(self, name, step, answers):
        with self.lock:
            differences = self.differ.compare(name, *answers)
            self.cases += 1
            open_ = [d for d in differences if not self.allowed.covers(name, d[0])]
            shown = differences if self.options.all else open_
            if open_:
                self.unequal += 1
                self.areas[name.split("/")[0]] += 1
            if self.options.summary:
                for place, left, right in shown:
                    self.groups[(place, compare.short(left), compare.short(right))].append(name)
            elif shown:
                print(f"\n{name}: {step.method} {step.path}")
                for place, left, right in shown:
                    print(f"  {place}\n    oracle:  {compare.short(left)}\n    subject: {compare.short(right)}")


def main():
    options = arguments()
    oracle = wire.Server(options.oracle, options.oracle_token)
    subject = wire.Server(options.subject, options.subject_token, options.subject_kubeconfig)
    run_id = "".join(random.choice("bcdfghjklmnpqrstvwxz") for _ in range(5))
    report = Report(options, run_id)
    todo = scenarios(options, oracle)
    started = time.monotonic()

    def one(item):
        connections = [wire.Connection(server) for server in (oracle, subject)]
        try:
            scenario.run(item, connections, run_id, report.case)
        except Exception as error:  # a scenario that breaks is a failure of its own
            with report.lock:
                report.unequal += 1
                print(f"\n{item.name}: broke: {type(error).__name__}: {error}")
        finally:
            for connection in connections:
                connection.close()

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, todo))
    for (place, left, right), names in sorted(report.groups.items(), key=lambda item: -len(item[1])):
        print(f"\n{len(names)} × {place}   e.g. {', '.join(names[:4])}\n    oracle:  {left}\n    subject: {right}")
    stale = report.allowed.stale() if not options.only else []
    for entry in stale:
        print(f"allowed.txt: no difference matches any more: {entry}")
    print(f"\n{report.cases} cases in {len(todo)} scenarios, {report.unequal} differ, {len(stale)} stale allowances, "
          f"{time.monotonic() - started:.0f} s; by area: {dict(report.areas)}")
    sys.exit(1 if report.unequal or stale else 0)


if __name__ == "__main__":
    main()
