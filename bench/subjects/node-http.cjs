'use strict';
// A bare node:http server on the main thread.
const http = require('node:http');
const { serve, body, headers } = require('./busy.cjs');

const server = http.createServer((_request, response) => {
  response.writeHead(200, headers);
  response.end(body);
});
server.listen(0, '127.0.0.1', () => serve(server.address().port));
