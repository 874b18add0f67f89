#!/usr/bin/env python3
"""Asks what `entropyctl sources -o json` (standard input) says of each source.

  sources.py all-healthy [SINCE]   exit 1 and a line for each that is not, or has given nothing since
                                   the answer that the file SINCE holds
  sources.py state NAME STATE REASON   exit 1 unless NAME is in STATE for a REASON (a pattern)
  sources.py healthy-but NAME      exit 1 unless all others are healthy
"""
import json
import re
import sys


def read(file):
    return {s["name"]: s for s in json.load(file)["sources"]}


def unhealthy(source):
    return source["state"] != "SOURCE_STATE_HEALTHY"


def main():
    question, arguments = sys.argv[1], sys.argv[2:]
    sources = read(sys.stdin)
    if not sources:
        sys.exit("sources.py: the server has no source: this proves nothing")
    bad = []
    if question == "all-healthy":
        before = read(open(arguments[0], encoding="utf-8")) if arguments else {}
        bad += [f"{name}: is not there any more" for name in before if name not in sources]
        for name, s in sources.items():
            given = s["raw_bytes"] - before.get(name, {}).get("raw_bytes", 0)
            alarms = s["rct_failures"] + s["apt_failures"]
            if unhealthy(s) or given == 0 or alarms:
                bad.append(f"{name}: {s['state']} ({s['reason']}), {given} bytes, {alarms} alarms")
    elif question == "state":
        name, state, reason = arguments
        s = sources[name]
        if s["state"] != f"SOURCE_STATE_{state}" or not re.search(reason, s["reason"]):
            bad.append(f"{name}: {s['state']} ({s['reason']})")
    elif question == "healthy-but":
        bad += [f"{n}: {s['state']} ({s['reason']})" for n, s in sources.items()
                if n != arguments[0] and unhealthy(s)]
    else:
        sys.exit(f"sources.py: no question '{question}'")
    print("\n".join(bad), file=sys.stderr)
    sys.exit(1 if bad else 0)


main()
