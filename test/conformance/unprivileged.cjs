// Listens as a user who may do little; prints what came of it.
'use strict';
const { chmodSync } = require('node:fs');
const { dirname } = require('node:path');
const { loadHttpEngine } = require('../../dist/cjs/probe/http-engine.js');

const [engine, path] = process.argv.slice(2);
// Loaded as the user that can read the checkout.
const { server } = loadHttpEngine(engine);
const route = () => ({
  statusLine: '200 OK',
  contentType: null,
  allow: null,
  retryAfter: null,
  body: Buffer.alloc(0),
  length: 0,
});
const routes = { paths: new Map(), notFound: route, methodNotAllowed: route, options: route };

chmodSync(dirname(path), 0o555);
if (process.getuid() === 0) {
  process.setgid(65534);
  process.setuid(65534);
}

(async () => {
  const port = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 81 }, routes);
  const socket = await server.listen({ kind: 'unix', path, mode: 0o600 }, routes);
  server.close();
  process.stdout.write(JSON.stringify({ port, socket }));
})();
