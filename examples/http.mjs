// Health beside a bare node:http server: probes on a port of their own, answered while the main thread is busy.
//
//   node examples/http.mjs
//   curl -N localhost:3000/generate                       a stream of tokens
//   curl 'localhost:3000/block?ms=20000' &                the main thread stops for 20 s ...
//   curl -i localhost:8081/livez                          ... still 200: a restart would not help
//   curl 'localhost:8081/readyz?verbose'                  ... 503, and why
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { startHealth } from 'inference-health';
import { httpHealth, trackedRequest } from 'inference-health/node-http';

const health = await startHealth({ shutdown: true });
health.model.loading();

/** Stands for a model: a word every 20 ms. */
async function* generate() {
  for (const word of 'It was a bright cold day in April .'.split(' ')) {
    await sleep(20);
    yield `${word} `;
  }
}

async function serve(request, response) {
  const [path, query] = request.url.split('?');
  if (path === '/generate') {
    for await (const word of generate()) {
      trackedRequest(request)?.tokens(1);
      response.write(word);
    }
    response.end('\n');
  } else if (path === '/block') {
    // What a synchronous tokenizer or a call into a native library does.
    const end = Date.now() + Number(new URLSearchParams(query).get('ms') ?? 2000);
    while (Date.now() < end);
    response.end('done\n');
  } else {
    response.writeHead(404).end();
  }
}

await sleep(200); // loading the weights
health.model.ready();
// Health routes, request counts, admission and drain come before the application.
const server = createServer(httpHealth(health, serve));
server.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`app on port ${server.address().port}, probes on port ${health.listeners[0].port}`);
});
