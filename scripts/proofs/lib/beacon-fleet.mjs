// Workers that only say that they are there: N listeners in one process with GET /v1/beacons each, and NATS where a URL is
// given. Tells its URLs; four beacons a second each, spread over the quarter of a second.
//   node beacon-fleet.mjs N [NATS_URL]
import { createServer } from 'node:http';

const [count, nats] = process.argv.slice(2);
const connection =
  nats === undefined
    ? null
    : await (await import('@nats-io/transport-node')).connect({ servers: nats, maxReconnectAttempts: -1 });

const workers = await Promise.all(
  Array.from({ length: Number(count) }, async (_, index) => {
    const readers = new Set();
    let seq = 0;
    const beacon = () => {
      seq += 1;
      return JSON.stringify({
        worker: `worker-${index}`,
        incarnation: `lwq3k2-${index}`,
        model: 'llama-3-70b',
        state: 'serving',
        ready: true,
        engineStep: seq * 10,
        running: 3,
        waiting: 0,
        scheduledTokens: seq * 31,
        activeTokens: 4096,
        kvBlocksUsed: 1234,
        kvBlocksTotal: 8192,
        expectedStepMs: 12.5,
        seq,
      });
    };
    const server = createServer((request, response) => {
      request.resume();
      response.write(`${beacon()}\n`);
      readers.add(response);
      response.on('close', () => readers.delete(response));
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    setTimeout(() => {
      setInterval(() => {
        const json = beacon();
        connection?.publish(`inference-health.v1.dynamo.backend.beacon.worker-${index}`, json);
        for (const reader of readers) reader.write(`${json}\n`);
      }, 250);
    }, Math.random() * 250);
    return { url: `http://127.0.0.1:${server.address().port}`, readers };
  }),
);
process.on('message', () => {
  process.send({ readers: workers.reduce((sum, { readers }) => sum + readers.size, 0) });
});
process.on('disconnect', () => process.exit());
process.send({ urls: workers.map(({ url }) => url) });
