'use strict';
// A bare node:http server on a worker thread: what a careful application would write itself.
const http = require('node:http');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');

if (isMainThread) {
  const { serve } = require('./busy.cjs');
  new Worker(__filename, { argv: process.argv.slice(2) }).once('message', serve);
} else {
  const { body, headers } = require('./busy.cjs');
  const server = http.createServer((_request, response) => {
    response.writeHead(200, headers);
    response.end(body);
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
}
