// Streams of tokens through a proxy: the worker, the proxies and the clients, each a process of its own.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../scripts/lib/free-port.mjs';
import { root } from './paths.mjs';
import { launch } from './subjects.mjs';

const subject = (file, ...args) => [process.execPath, join(root, 'bench', 'subjects', file), ...args];
const url = (port) => `http://127.0.0.1:${port}`;

export const startWorker = () => launch('stream-worker', '', subject('stream-worker.cjs'));

export function startPassThrough(upstream) {
  return launch('pass-through', '', subject('pass-through.cjs', JSON.stringify({ upstream: url(upstream) })));
}

/** @param flags of the command; @param nodeFlags e.g. `--cpu-prof` */
export async function startFrontend(upstreams, { flags = [], nodeFlags = [] } = {}) {
  const command = join(root, 'dist', 'cjs', 'cli', 'main.js');
  const workers = upstreams.map(url).join(',');
  const args = [command, 'frontend', '--workers', workers, '--http-port', '0', ...flags];
  const process_ = await launch('frontend', '', [process.execPath, ...nodeFlags, ...args]);
  const port = Number(new URL(process_.url).port);
  for (let i = 0; i < 200; i += 1) {
    const health = await (await fetch(`${process_.url}/health`)).json();
    if (health.instances.length === upstreams.length) return { ...process_, port };
    await sleep(25);
  }
  await process_.stop();
  throw new Error('the frontend found no worker within 5 s');
}

/** Why nginx cannot be measured, or null. */
export function whyNoNginx() {
  const { status, error, stderr } = spawnSync('nginx', ['-v'], { encoding: 'utf8' });
  if (status === 0) return null;
  return `nginx does not run: ${error?.message ?? stderr.trim()}`;
}

/** One process that proxies as its documents advise for streams: kept-alive connections, nothing held back. */
export async function startNginx(upstream) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'inference-health-nginx-'));
  const conf = join(folder, 'nginx.conf');
  writeFileSync(conf, configOf({ port, upstream, folder }));
  const child = spawn('nginx', ['-p', folder, '-c', conf], { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true });
  };
  for (let i = 0; i < 200 && child.exitCode === null; i += 1) {
    if (await isListening(port)) return { pid: child.pid, port, stop, errors: () => errors };
    await sleep(25);
  }
  await stop();
  throw new Error(`nginx did not start: ${errors}`);
}

const configOf = ({ port, upstream, folder }) => `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr error;
worker_rlimit_nofile 65536;
events { worker_connections 16384; }
http {
  access_log off;
  tcp_nodelay on;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream workers { server 127.0.0.1:${upstream}; keepalive 4096; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000;
    location / {
      proxy_pass http://workers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`;

function isListening(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
    socket.once('connect', () => socket.destroy());
  });
}

export async function startClients() {
  const child = spawn(process.execPath, [join(root, 'bench', 'subjects', 'stream-clients.cjs')], {
    stdio: ['pipe', 'pipe', 'pipe'],
    cwd: root,
  });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the clients ended: ${errors}`);
    return JSON.parse(value);
  };
  const ask = (command) => {
    child.stdin.write(`${JSON.stringify(command)}\n`);
    return answer();
  };
  await answer();
  return {
    pid: child.pid,
    open: (options) => ask({ open: options }),
    probe: (options) => ask({ probe: options }),
    mark: () => ask({ mark: true }),
    close: () => ask({ close: true }),
    async stop() {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}
