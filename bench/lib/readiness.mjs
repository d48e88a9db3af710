// Asks one path over one kept-alive connection, again a millisecond after each answer.
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Rest between two questions: a prober that takes a core for itself would delay what it waits for. */
const REST_MS = 1;

/** Milliseconds of CLOCK_MONOTONIC. */
export const now = () => Number(process.hrtime.bigint()) / 1e6;

export async function connectProber(port, path) {
  const socket = net.connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  await once(socket, 'connect');
  const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;
  let answered = () => {};
  let text = '';
  let failure = null;
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    const length = /content-length: *(\d+)/i.exec(text)?.[1];
    if (end < 0 || length === undefined || text.length < end + 4 + Number(length)) return;
    const status = Number(text.slice(9, 12));
    text = '';
    answered(status);
  });
  socket.on('close', () => {
    failure = new Error('the server closed the connection');
    answered(0);
  });
  const ask = () =>
    new Promise((resolve, reject) => {
      answered = (status) => (failure === null ? resolve(status) : reject(failure));
      socket.write(request);
    });

  return {
    /** Asks until the status is that; when that answer came. `act` is done at once, after the first question. */
    async until(status, { act, timeoutMs = 10_000 } = {}) {
      const startMs = now();
      for (let asked = 0; ; asked++) {
        const answer = ask();
        if (asked === 0) act?.();
        // The answer to the question that was under way may still be the old one.
        if ((await answer) === status) return now();
        if (now() - startMs > timeoutMs)
          throw new Error(`${path} did not answer ${status} within ${timeoutMs} ms`);
        await sleep(REST_MS);
      }
    },
    close: () => socket.destroy(),
  };
}
