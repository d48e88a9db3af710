// What every benchmark gets: the mode, the subjects that this machine can run, and the bytes that all of them answer.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { tool } from './native.mjs';
import { startSubject, subjects } from './subjects.mjs';
import { whyNoUws } from './uws.mjs';

export async function createBench({ isSmoke, missingPeers }) {
  const unavailable = new Map();
  if (missingPeers !== null) {
    for (const [name, subject] of Object.entries(subjects))
      if (subject.isPeer) unavailable.set(name, missingPeers);
  }
  const uwsFailure = whyNoUws();
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
