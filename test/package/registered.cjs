// An application that knows nothing of health: it serves one request, then asks the socket that `register` opened.
const { once } = require('node:events');
const { get, createServer } = require('node:http');

const server = createServer((_request, response) => response.end('hello'));
server.listen(0, '127.0.0.1', async () => {
  const own = await ask({ port: server.address().port, path: '/' });
  const socketPath = process.env.INFERENCE_HEALTH_LISTENERS.slice('unix:'.length);
  let counted = 0;
  while (counted === 0) {
    const health = await ask({ socketPath, path: '/health' }).catch(() => ({ body: '{}' }));
    counted = JSON.parse(health.body).metrics?.total_requests ?? 0;
  }
  console.log(own.status, counted);
  server.close();
});

async function ask(options) {
  const [response] = await once(get({ host: '127.0.0.1', agent: false, ...options }), 'response');
  const body = (await response.toArray()).join('');
  return { status: response.statusCode, body };
}
