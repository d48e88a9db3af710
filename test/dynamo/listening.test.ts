import { describe, expect, it } from 'vitest';
import type { HealthOptions } from '../../lib/config/options.js';
import { type Environment, listeners } from './resolving.js';

describe('where it listens', () => {
  const OURS = [null, 8081, 'bitnet'];
  const it2 = it.each<[string, Environment, HealthOptions, unknown[]]>([
    ['nothing set', {}, {}, [OURS]],
    ['a port', { DYN_SYSTEM_PORT: '9090' }, {}, [[null, 9090, 'dynamo-worker']]],
    ['another variable alone', { DYN_SYSTEM_ENABLED: 'true' }, {}, [[null, 8081, 'dynamo-worker']]],
    ['the host alone', { DYN_SYSTEM_HOST: '127.0.0.1' }, {}, [['127.0.0.1', 8081, 'dynamo-worker']]],
    [
      'both ports',
      { DYN_SYSTEM_PORT: '9090', INFERENCE_HEALTH_PORT: '8080' },
      {},
      [
        [null, 8080, 'bitnet'],
        [null, 9090, 'dynamo-worker'],
      ],
    ],
    [
      'both ports, ours in code with a host, and theirs with another',
      { DYN_SYSTEM_PORT: '9090', DYN_SYSTEM_HOST: '0.0.0.0' },
      { port: 8080, host: '127.0.0.1' },
      [
        ['127.0.0.1', 8080, 'bitnet'],
        ['0.0.0.0', 9090, 'dynamo-worker'],
      ],
    ],
    [
      'any free port twice',
      { DYN_SYSTEM_PORT: '0' },
      { port: 0 },
      [
        [null, 0, 'bitnet'],
        [null, 0, 'dynamo-worker'],
      ],
    ],
    ['the same port twice', { DYN_SYSTEM_PORT: '8081' }, { port: 8081 }, [[null, 8081, 'dynamo-worker']]],
    [
      'our port, and no port of theirs',
      { DYN_SYSTEM_ENABLED: '1' },
      { port: 8080 },
      [[null, 8080, 'dynamo-worker']],
    ],
    ['a dialect in code', { DYN_SYSTEM_PORT: '9090' }, { dialect: 'bitnet' }, [[null, 9090, 'bitnet']]],
    [
      'a list and their port',
      { DYN_SYSTEM_PORT: '9090' },
      { listeners: [{ path: '/run/h.sock' }] },
      [
        ['/run/h.sock', 'bitnet'],
        [null, 9090, 'dynamo-worker'],
      ],
    ],
    [
      'a list that has their port',
      { DYN_SYSTEM_PORT: '9090' },
      { listeners: [{ port: 9090 }] },
      [[null, 9090, 'bitnet']],
    ],
    [
      'a list and no port of theirs',
      { DYN_SYSTEM_ENABLED: 'true' },
      { listeners: [{ port: 1 }] },
      [[null, 1, 'dynamo-worker']],
    ],
    ['port -1', { DYN_SYSTEM_PORT: '-1' }, {}, []],
    ['not enabled, with a port', { DYN_SYSTEM_ENABLED: 'false', DYN_SYSTEM_PORT: '9090' }, {}, []],
    ['off, and our own port', { DYN_SYSTEM_PORT: '-1' }, { port: 8080 }, [[null, 8080, 'bitnet']]],
    [
      'off, and a list of ours',
      { DYN_SYSTEM_PORT: '-1' },
      { listeners: [{ port: 1 }] },
      [[null, 1, 'bitnet']],
    ],
    [
      'what Kubernetes makes up',
      { DYN_SYSTEM_PORT: 'tcp://10.0.0.1:80', DYN_SYSTEM_SERVICE_HOST: '10.0.0.1' },
      {},
      [OURS],
    ],
    ['a numbered port of a launcher', { DYN_SYSTEM_PORT1: '9091', DYN_SYSTEM_PORT2: '9092' }, {}, [OURS]],
  ]);
  it2('%s', (_name, environment, options, expected) => {
    expect(listeners(environment, options)).toEqual(expected);
  });
});
