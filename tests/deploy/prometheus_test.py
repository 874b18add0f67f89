#!/usr/bin/env python3
"""Runs a real Prometheus over the shipped scrape configuration and asks it every query we ship.

  prometheus_test.py DEPLOY WORK URL URL

DEPLOY: the deploy folder; WORK: a scratch folder; the URLs: /metrics of a server and of an agent, in any
order. Exit 1 and one line per query that is not answered by at least one series.
"""
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def queries_of(deploy):
    dashboard = json.load(open(os.path.join(deploy, "grafana", "entropyd.json"), encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield f"dashboard, {panel['title']}", target["expr"]
    rules = yaml.safe_load(open(os.path.join(deploy, "prometheus", "rules.yaml"), encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            # An alert's condition is false on a healthy demo: what it compares must be there.
            for side in re.split(r"\s(?:==|>|<)\s|\sand\s(?:on\s*\([^)]*\)\s)?", rule["expr"]):
                if re.search("[a-z]", side):
                    selector = re.sub(r',?state=~"[^"]*"', "", side)
                    yield f"alert {rule['alert']}", selector


def check_sums(queries):
    """A class counts what the classes below it deliver, so a sum over classes counts bytes twice."""
    for where, query in queries:
        if re.search(r"\bsum\s*\((?:\s*\w+\s*\()?\s*entropyd_class_", query):
            sys.exit(f"{where}: {query} counts inner classes twice; sum entropyd_pool_* instead")


def check_tests(folder):
    """Each alert has a unit test in which it fires, and one in which it does not."""
    with open(os.path.join(folder, "rules.yaml"), encoding="utf-8") as f:
        alerts = [rule["alert"] for group in yaml.safe_load(f)["groups"] for rule in group["rules"]]
    with open(os.path.join(folder, "rules_test.yaml"), encoding="utf-8") as f:
        tests = [one for test in yaml.safe_load(f)["tests"] for one in test["alert_rule_test"]]
    seen = {(one["alertname"], bool(one["exp_alerts"])) for one in tests}
    for alert in alerts:
        for fires in (True, False):
            if (alert, fires) not in seen:
                sys.exit(f"alert {alert}: rules_test.yaml has no test in which it {'fires' if fires else 'is quiet'}")


def main():
    deploy, work, *urls = sys.argv[1:]
    check_tests(os.path.join(deploy, "prometheus"))
    check_sums(queries_of(deploy))
    targets = {}
    for url in urls:
        job = "entropyd-hostagent" if "entropyd_agent_" in fetch(url) else "entropyd"
        targets[job] = urllib.parse.urlparse(url).netloc
    config = yaml.safe_load(open(os.path.join(deploy, "prometheus", "prometheus.yaml"), encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [os.path.join(deploy, "prometheus", "rules.yaml")]
    for scrape in config["scrape_configs"]:
        scrape["static_configs"] = [{"targets": [targets[scrape["job_name"]]]}]
    path = os.path.join(work, "prometheus.yaml")
    with open(path, "w", encoding="utf-8") as f:
        yaml.safe_dump(config, f)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = open(os.path.join(work, "prometheus.log"), "wb")
    process = subprocess.Popen(
        ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={work}/tsdb",
         f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log, cwd=work)
    base = f"http://127.0.0.1:{port}/api/v1/query?query="
    try:
        unanswered = dict((q, where) for where, q in queries_of(deploy))
        asked = len(unanswered)
        if asked < 25:
            sys.exit(f"only {asked} queries found in {deploy}")
        errors = {}
        # rate() needs two scrapes; a counter's first increase needs one between two scrapes.
        end = time.monotonic() + 60
        while unanswered and time.monotonic() < end and process.poll() is None:
            time.sleep(1)
            for query in list(unanswered):
                try:
                    answer = json.loads(fetch(base + urllib.parse.quote(query)))
                except urllib.error.HTTPError as error:
                    errors[query] = error.read().decode()
                    continue
                except OSError:
                    continue
                if answer["status"] == "success" and answer["data"]["result"]:
                    del unanswered[query]
        for query, where in unanswered.items():
            print(f"{where}: no answer to {query} {errors.get(query, '')}")
        if unanswered:
            sys.exit(1)
        print(f"prometheus: all {asked} queries of dashboard and rules answered")
    finally:
        process.terminate()
        process.wait(20)


main()
