import { describe, expect, it } from 'vitest';
import { createFrontendHealth, type FrontendInstance } from '../../lib/dialects/dynamo-frontend.js';

const instance = (endpoint: string, instanceId = 7587888160958628000n): FrontendInstance => ({
  namespace: 'dynamo',
  component: 'backend',
  endpoint,
  instanceId,
  transport: { nats_tcp: `dynamo_backend.${endpoint}-694d98147d54be25` },
});

const text = ({ body }: { readonly body: Buffer }) => body.toString('utf8');

describe('the documented health of a frontend', () => {
  it('has the documents’ 72 bytes and HTTP 200 before workers come', () => {
    const answer = createFrontendHealth().health();
    expect(answer.status).toBe(200);
    expect(text(answer)).toBe('{"instances":[],"message":"No endpoints available","status":"unhealthy"}');
    expect(answer.body.length).toBe(72);
  });

  it('has the documents’ 609 bytes with their three endpoints, in whatever order they came', () => {
    for (const order of [
      ['clear_kv_blocks', 'generate', 'load_metrics'],
      ['load_metrics', 'clear_kv_blocks', 'generate'],
    ]) {
      const health = createFrontendHealth();
      for (const name of order) health.set(name, instance(name));
      expect(health.health().body.length).toBe(609);
      expect(text(health.health())).toMatch(
        /^\{"endpoints":\["dyn:\/\/dynamo\.backend\.generate"\],"instances":\[\{"component":"backend","endpoint":"clear_kv_blocks","instance_id":7587888160958628000,"namespace":"dynamo",/,
      );
    }
  });

  it('writes ids of 64 bits digit by digit', () => {
    const health = createFrontendHealth();
    health.set('a', instance('generate', 0x694d98147d54be25n));
    health.set('b', instance('generate', 2n ** 64n - 1n));
    expect([...text(health.health()).matchAll(/"instance_id":(\d+)/g)].map(([, id]) => id)).toEqual([
      '7587888160958627365',
      '18446744073709551615',
    ]);
  });

  it('forgets an endpoint with its last instance, and renders anew only after a change', () => {
    const health = createFrontendHealth();
    health.set('a', instance('generate', 1n));
    health.set('b', instance('generate', 2n));
    const both = health.health();
    health.set('a', instance('generate', 1n));
    expect(health.health()).toBe(both);
    health.delete('a');
    expect(text(health.health())).toContain('"status":"healthy"');
    health.delete('b');
    health.delete('b');
    expect(text(health.health())).toContain('"status":"unhealthy"');
  });

  it('is 503 in strict mode without endpoints and while draining', () => {
    const health = createFrontendHealth('strict');
    expect(health.health().status).toBe(503);
    health.set('a', instance('generate'));
    expect(health.health().status).toBe(200);
    health.setStage('draining');
    expect(health.health().status).toBe(503);
    expect(JSON.parse(text(health.health()))).toMatchObject({ status: 'not_ready', stage: 'draining' });
  });

  it('is healthy without workers in the newer mode', () => {
    const answer = createFrontendHealth('always-healthy').health();
    expect(answer.status).toBe(200);
    expect(text(answer)).toBe('{"endpoints":[],"instances":[],"status":"healthy"}');
  });

  it('stays live while it drains, and says when it stops', () => {
    const health = createFrontendHealth();
    health.setStage('draining');
    expect(text(health.live())).toBe('{"message":"Service is live","status":"live"}');
    health.setStage('stopping');
    expect(health.live().status).toBe(503);
  });

  it('keeps 10,000 instances that come and go', () => {
    const health = createFrontendHealth();
    for (let i = 0; i < 10_000; i += 1) health.set(`${i}`, instance('generate', BigInt(i)));
    expect((JSON.parse(text(health.health())) as { instances: unknown[] }).instances).toHaveLength(10_000);
    for (let i = 0; i < 10_000; i += 2) health.delete(`${i}`);
    expect((JSON.parse(text(health.health())) as { instances: unknown[] }).instances).toHaveLength(5000);
  });
});
