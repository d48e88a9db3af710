// Real etcd for a proof, of one member or several, and what it uses of the machine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../lib/free-port.mjs';

export async function startEtcd(members) {
  const directory = mkdtempSync(join(tmpdir(), 'ih-registry-'));
  const ports = await Promise.all(Array.from({ length: members * 2 }, freePort));
  const client = (index) => `http://127.0.0.1:${ports[index]}`;
  const peer = (index) => `http://127.0.0.1:${ports[members + index]}`;
  const indexes = Array.from({ length: members }, (_, index) => index);
  const cluster = indexes.map((index) => `m${index}=${peer(index)}`).join(',');
  const children = indexes.map((index) => {
    const flags = {
      ...{ name: `m${index}`, 'data-dir': join(directory, `m${index}`), 'initial-cluster': cluster },
      ...{ 'listen-client-urls': client(index), 'advertise-client-urls': client(index) },
      ...{ 'listen-peer-urls': peer(index), 'initial-advertise-peer-urls': peer(index) },
    };
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    return spawn('etcd', args, { stdio: 'ignore' });
  });
  const stop = async () => {
    await Promise.all(
      children.map((child) => {
        child.kill('SIGKILL');
        return child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
      }),
    );
    rmSync(directory, { recursive: true });
  };
  for (let tries = 0; ; tries += 1) {
    const answers = await Promise.all(
      indexes.map((index) =>
        fetch(`${client(index)}/health`)
          .then((response) => response.text())
          .catch(() => ''),
      ),
    );
    if (answers.every((text) => text.includes('true'))) break;
    if (tries === 200) {
      await stop();
      throw new Error('etcd did not start within 20 s');
    }
    await sleep(100);
  }
  const sum = (of) => children.reduce((total, { pid }) => total + of(pid), 0);
  return {
    endpoints: indexes.map(client),
    cpuMs: () => sum(cpuMsOf),
    rssMiB: () =>
      sum((pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])) / 1024,
    stop,
  };
}

function cpuMsOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
