'use strict';
// The least that a proxy on Node can do: undici to node:http, bytes as they come. `pass-through.cjs '{ upstream }'`.
const http = require('node:http');
const { Pool } = require('undici');

const { upstream } = JSON.parse(process.argv[2]);
const pool = new Pool(upstream, { connections: null, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });

const server = http.createServer(async (request, response) => {
  const { statusCode, headers, body } = await pool.request({
    path: request.url,
    method: request.method,
    headers: request.headers,
    body: request,
  });
  body.on('error', () => response.destroy());
  response.on('close', () => body.destroy());
  response.writeHead(statusCode, { 'Content-Type': headers['content-type'] });
  body.pipe(response);
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
