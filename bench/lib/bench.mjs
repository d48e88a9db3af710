// What every benchmark gets: the mode, the subjects that this machine can run, and the bytes that all of them answer.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { tool } from './native.mjs';
import { root } from './paths.mjs';
import { startSubject, subjects } from './subjects.mjs';

export async function createBench({ isSmoke, missingPeers }) {
  const unavailable = new Map();
  if (missingPeers !== null) {
    for (const [name, subject] of Object.entries(subjects))
      if (subject.isPeer) unavailable.set(name, missingPeers);
  }
  const uwsFailure = probeUws();
  if (uwsFailure !== null) unavailable.set('uws', uwsFailure);

  const reply = tool('reply.bin');
  const model = await startSubject(uwsFailure === null ? 'uws' : 'http');
  try {
    writeFileSync(reply, await rawAnswer(model));
  } finally {
    await model.stop();
  }

  return {
    isSmoke,
    /** One of two values, by mode. */
    pick: (full, smoke) => (isSmoke ? smoke : full),
    /** Why a subject cannot run here, or undefined. */
    whyNot: (name) => unavailable.get(name),
    runnable: (names) => names.filter((name) => !unavailable.has(name)),
    title: (name) => subjects[name].title,
    isPeer: (name) => subjects[name].isPeer === true,
    /** Runs `use` against a subject in a fresh process. */
    async withSubject(name, options, use) {
      const subject = await startSubject(name, { reply, ...options });
      try {
        return await use(subject);
      } catch (error) {
        throw new Error(`${name}: ${error.message} ${subject.errors()}`, { cause: error });
      } finally {
        await subject.stop();
      }
    },
  };
}

/** Whether uWebSockets.js loads here at all: its newer builds need glibc 2.38, and there is one for each Node. */
function probeUws() {
  const name = `@uwsjs/linux-${process.arch}-${process.versions.node.split('.')[0]}`;
  const script = `try { require('uWebSockets.js') } catch { require('${name}') }`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' });
  return status === 0 ? null : (/^Error: (.+)$/m.exec(stderr)?.[1] ?? `${name} does not load`);
}

/** The answer of /health/live, byte for byte: the epoll responder sends a copy of it. */
async function rawAnswer({ port, path }) {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  let bytes = Buffer.alloc(0);
  for (;;) {
    const [chunk] = await once(socket, 'data');
    bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf('\r\n\r\n');
    const length = /content-length: *(\d+)/i.exec(bytes.toString('latin1'))?.[1];
    if (end < 0 || length === undefined || bytes.length < end + 4 + Number(length)) continue;
    socket.destroy();
    if (!bytes.toString('latin1').startsWith('HTTP/1.1 200'))
      throw new Error(`/health/live answers ${bytes.toString('latin1', 0, 60)}`);
    return bytes;
  }
}
