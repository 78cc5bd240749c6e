"""A client that finds its server by xDS, as gRPC itself implements it.

Each line of the input is a number of calls to make; each line of the output says how they ended.
"""

import collections
import json
import sys

import grpc


def main() -> None:
    with grpc.insecure_channel(sys.argv[1]) as channel:
        who = channel.unary_unary("/test.Upstream/Who")
        for line in sys.stdin:
            answers, failures = collections.Counter(), collections.Counter()
            for _ in range(int(line)):
                try:
                    answers[who(b"", timeout=10).decode()] += 1
                except grpc.RpcError as failure:
                    failures[f"{failure.code().name}: {failure.details()}"] += 1
            print(json.dumps({"answers": answers, "failures": failures}), flush=True)


main()
