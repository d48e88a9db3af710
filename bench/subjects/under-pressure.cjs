'use strict';
const requirePeer = require('./peer.cjs');
const { serve } = require('./busy.cjs');

const app = requirePeer('fastify')();
app.register(requirePeer('@fastify/under-pressure'), { exposeStatusRoute: '/health/live' });
app.listen({ port: 0, host: '127.0.0.1' }).then(() => serve(app.server.address().port));
