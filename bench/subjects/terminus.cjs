'use strict';
const http = require('node:http');
const { createTerminus } = require('./peer.cjs')('@godaddy/terminus');
const { serve } = require('./busy.cjs');

const server = http.createServer((_request, response) => response.end());
createTerminus(server, { healthChecks: { '/health/live': async () => ({}) } });
server.listen(0, '127.0.0.1', () => serve(server.address().port));
