import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { until } from '../helpers/package.js';
import { withProgram } from '../helpers/program.js';
import { ask, HTTP_ENGINES } from './worker.js';

// The examples of Dynamo's document on health checks, in the shell that it has them for; only the port is a free one.

const bash = async (script: string) => (await promisify(execFile)('bash', ['-c', script])).stdout;

const WORKER = `
const { startHealth } = require('./dist/cjs/index.js');
const serve = () => ['load_metrics', 'generate', 'clear_kv_blocks'].forEach((name) => health.endpoint(name).ready());
let health;
startHealth().then((started) => {
  health = started;
  process.on('SIGUSR2', serve);
  console.log('port ' + health.listeners[0].port);
  setInterval(() => undefined, 1000);
});`;

const START = `
export DYN_SYSTEM_PORT=0
export DYN_SYSTEM_STARTING_HEALTH_STATUS="notready"
export DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS="[\\"generate\\"]"
exec "$0" -e "$1"`;

it.concurrent.each(HTTP_ENGINES)(
  'the examples give the same answers, to the byte, on %s',
  async (httpEngine) => {
    const env = { INFERENCE_HEALTH_HTTP_ENGINE: httpEngine };
    await withProgram(['bash', '-c', START, process.execPath, WORKER], { env }, async (worker) => {
      const port = (await worker.prints(/^port (\d+)$/m))[1];
      const curl = `curl -v localhost:${port}/health 2>&1 >/dev/null | tr -d '\\r'`;
      const jq = `curl -v localhost:${port}/health 2>/dev/null | jq`;

      // They are from 12 s and 18 s after the start: two digits, and nine of the nanoseconds nine times in ten.
      const example = (status: number) =>
        until(async () => {
          const answer = await ask(`http://localhost:${port}/health`);
          return answer.status === status && /"nanos":\d{9},"secs":\d\d\}/.test(answer.text) && answer;
        }, 20_000);

      const before = await example(503);
      expect([before.type, before.length, before.text.length]).toEqual(['text/plain; charset=utf-8', 96, 96]);
      expect(before.text).toMatch(
        /^\{"endpoints":\{"generate":"notready"\},"status":"notready","uptime":\{"nanos":\d{9},"secs":1\d\}\}$/,
      );
      const headerBefore = (await bash(curl)).toLowerCase();
      expect(headerBefore).toMatch(/^< http\/1\.1 503 service unavailable$/m);
      expect(headerBefore).toMatch(/^< content-type: text\/plain; charset=utf-8$/m);
      expect(headerBefore).toMatch(/^< date: /m);
      expect(await bash(jq)).toMatch(
        /^\{\n {2}"endpoints": \{\n {4}"generate": "notready"\n {2}\},\n {2}"status": "notready",\n {2}"uptime": \{\n {4}"nanos": \d+,\n {4}"secs": 1\d\n {2}\}\n\}\n$/,
      );

      worker.process.kill('SIGUSR2');
      const after = await example(200);
      expect([after.type, after.length, after.text.length]).toEqual(['text/plain; charset=utf-8', 139, 139]);
      expect(after.text).toMatch(
        /^\{"endpoints":\{"clear_kv_blocks":"ready","generate":"ready","load_metrics":"ready"\},"status":"ready","uptime":\{"nanos":\d{9},"secs":1\d\}\}$/,
      );
      expect((await bash(curl)).toLowerCase()).toMatch(/^< http\/1\.1 200 ok$/m);
      expect(await bash(jq)).toMatch(
        /^\{\n {2}"endpoints": \{\n {4}"clear_kv_blocks": "ready",\n {4}"generate": "ready",\n {4}"load_metrics": "ready"\n {2}\},\n {2}"status": "ready",\n {2}"uptime": \{\n {4}"nanos": \d+,\n {4}"secs": 1\d\n {2}\}\n\}\n$/,
      );
    });
  },
);
