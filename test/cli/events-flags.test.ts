import { expect, it } from 'vitest';
import { natsServer } from '../../lib/cli/events-flags.js';
import { natsSettings } from '../../lib/events/settings.js';

it('events are of the same part of the fleet as discovery, wherever the servers are named', () => {
  const flags = { '--namespace': 'chat', '--component': 'llama-70b' };
  const environment = { NATS_SERVER: 'nats://n1:4222' };
  expect(natsSettings(natsServer(flags).events, environment)).toMatchObject({
    servers: ['nats://n1:4222'],
    namespace: 'chat',
    component: 'llama-70b',
  });
  expect(natsServer({ ...flags, '--nats-server': ['nats://n2:4222'] })).toEqual({
    events: { servers: ['nats://n2:4222'], namespace: 'chat', component: 'llama-70b' },
  });
});

it('names of a part turn nothing on', () => {
  expect(natsServer({})).toEqual({});
  expect(natsSettings(natsServer({ '--component': 'llama-70b' }).events, {})).toBeNull();
});
