// A client that finds its server by xDS, as gRPC for Node.js implements it.
//
// Each line of the input is a number of calls to make; each line of the output says how they ended.

const readline = require("node:readline");

const grpc = require("@grpc/grpc-js");
require("@grpc/grpc-js-xds").register();

const raw = (bytes) => bytes;
const client = new grpc.Client(process.argv[2], grpc.credentials.createInsecure());

function call() {
  return new Promise((resolve) => {
    const deadline = Date.now() + 10_000;
    client.makeUnaryRequest("/test.Upstream/Who", raw, raw, Buffer.alloc(0), { deadline }, (failure, answer) => {
      resolve(failure ? [false, `${grpc.status[failure.code]}: ${failure.details}`] : [true, answer.toString()]);
    });
  });
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const calls = { answers: {}, failures: {} };
    for (let left = Number(line); left > 0; left--) {
      const [answered, text] = await call();
      const ended = answered ? calls.answers : calls.failures;
      ended[text] = (ended[text] ?? 0) + 1;
    }
    console.log(JSON.stringify(calls));
  }
  client.close();
}

main();
