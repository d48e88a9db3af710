import { describe, expect, it } from 'vitest';
import { dynamoWorker } from '../../lib/dialects/dynamo-worker.js';
import { LIVE_COUNT } from '../../lib/dialects/template.js';
import type { Route, View } from '../../lib/dialects/view.js';

const START_MS = 1000;
const ready = (...names: string[]) =>
  names.map((name) => ({ name, status: 'ready' as const, reason: null, sinceMs: 0 }));

function viewOf(verdict: Partial<View['verdict']>): View {
  return {
    startedAtMs: START_MS,
    unixOffsetMs: 0,
    verdict: { phase: 'serving', live: true, workerReady: true, workerGating: [], endpoints: [], ...verdict },
  } as unknown as View;
}

function answer(route: Route | undefined, view: View, elapsedMs: number): [status: string, text: string] {
  const { statusLine, body } = route!.render(view, 'full');
  const out = new Uint8Array(body.capacity);
  const moment = { monoMs: START_MS + elapsedMs, unixMs: 0, live: new Float64Array(LIVE_COUNT) };
  return [statusLine, new TextDecoder().decode(out.subarray(0, body.render(out, moment)))];
}

describe('the document of a Dynamo worker', () => {
  it("is the documents' example before the endpoints are served, 96 bytes", () => {
    const endpoints = [{ name: 'generate', status: 'notready' as const, reason: null, sinceMs: 0 }];
    const [status, text] = answer(
      dynamoWorker()['/health'],
      viewOf({ workerReady: false, endpoints }),
      12_313.8035395,
    );
    expect(status).toBe('503 Service Unavailable');
    expect(text).toBe(
      '{"endpoints":{"generate":"notready"},"status":"notready","uptime":{"nanos":313803539,"secs":12}}',
    );
    expect(text).toHaveLength(96);
  });

  it("is the documents' example after, 139 bytes", () => {
    const endpoints = ready('clear_kv_blocks', 'generate', 'load_metrics');
    const [status, text] = answer(dynamoWorker()['/live'], viewOf({ endpoints }), 18_356.5045305);
    expect(status).toBe('200 OK');
    expect(text).toBe(
      '{"endpoints":{"clear_kv_blocks":"ready","generate":"ready","load_metrics":"ready"},"status":"ready","uptime":{"nanos":356504530,"secs":18}}',
    );
    expect(text).toHaveLength(139);
  });

  it.each([
    [0, '{"nanos":0,"secs":0}'],
    [0.000_001, '{"nanos":1,"secs":0}'],
    [999.999_999_9, '{"nanos":999999999,"secs":0}'],
    [1000, '{"nanos":0,"secs":1}'],
    [86_400_000_000, '{"nanos":0,"secs":86400000}'],
    [-5, '{"nanos":'],
  ])('has whole seconds and the rest in nanoseconds after %d ms', (elapsedMs, expected) => {
    // From zero, since adding the start to it would cost the last digits.
    const view = { ...viewOf({}), startedAtMs: 0 };
    const { body } = dynamoWorker()['/health']!.render(view, 'full');
    const out = new Uint8Array(body.capacity);
    const moment = { monoMs: elapsedMs, unixMs: 0, live: new Float64Array(LIVE_COUNT) };
    const text = new TextDecoder().decode(out.subarray(0, body.render(out, moment)));
    expect(text).toContain(expected);
    expect(() => JSON.parse(text)).not.toThrow();
  });

  it('is filled anew when the number of digits changes', () => {
    const { body } = dynamoWorker()['/health']!.render({ ...viewOf({}), startedAtMs: 0 }, 'full');
    const out = new Uint8Array(body.capacity);
    const at = (monoMs: number): { nanos: number; secs: number } => {
      const length = body.render(out, { monoMs, unixMs: 0, live: new Float64Array(LIVE_COUNT) });
      return JSON.parse(new TextDecoder().decode(out.subarray(0, length))).uptime;
    };
    expect(at(9999.5)).toEqual({ nanos: 999_500_000, secs: 9 });
    expect(at(10_000.25)).toEqual({ nanos: 250_000, secs: 10 });
    expect(at(10_000.5)).toEqual({ nanos: 500_000, secs: 10 });
    expect(at(10_100)).toEqual({ nanos: 100_000_000, secs: 10 });
  });

  it('shows no endpoint as ready once the process drains', () => {
    const [, text] = answer(
      dynamoWorker()['/health'],
      viewOf({ phase: 'draining', workerReady: false, endpoints: ready('generate') }),
      0,
    );
    expect(text).toContain('{"endpoints":{"generate":"notready"},"status":"notready"');
  });

  it('answers on the paths that were chosen, and on /ready', () => {
    const paths = { health: '/h', live: '/l' };
    expect(Object.keys(dynamoWorker({ paths })).sort()).toEqual(['/h', '/l', '/ready']);
    const unready = viewOf({ workerReady: false });
    const shallow = dynamoWorker({ paths, liveMode: 'shallow' });
    expect(answer(shallow['/l'], unready, 0)[0]).toBe('200 OK');
    expect(answer(shallow['/h'], unready, 0)[0]).toBe('503 Service Unavailable');
    expect(answer(shallow['/l'], viewOf({ live: false }), 0)[0]).toBe('503 Service Unavailable');
  });
});
