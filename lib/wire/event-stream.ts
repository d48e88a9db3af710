import type { ServerResponse } from 'node:http';

export interface EventStream {
  /** Goes out with all else that is written in the same turn. */
  write(text: string): void;
  /** Closes the answer behind `text`. */
  end(text: string): void;
  /** Something has been written: it is too late for another status. */
  readonly hasBegun: boolean;
}

/**
 * An answer that is written piece by piece. What a turn of the event loop writes is one chunk and one write of its socket:
 * node:http makes four buffers of each chunk (its length, a line break, itself, another one), which costs more than all that a
 * token needs besides (docs/benchmarks.md#frontend-overhead).
 * @param begin writes the head, before the first byte
 * @param onWritten after what a turn has written was handed to the socket
 */
export function createEventStream(
  response: ServerResponse,
  begin: () => void,
  onWritten: () => void = () => undefined,
): EventStream {
  let pending = '';

  function flush(): void {
    if (pending === '') return;
    const text = pending;
    pending = '';
    if (response.destroyed || response.writableEnded) return;
    const { socket } = response;
    // Behind its head, and while the socket is this answer's, a chunk may go past node:http. An HTTP/1.0 client gets none.
    if (response.headersSent && response.chunkedEncoding && socket?.writable === true && !isHeld(response)) {
      const bytes = Buffer.byteLength(text);
      socket.write(
        `${bytes.toString(16)}\r\n${text}\r\n`,
        // Nothing but ASCII: the cheaper way to the same bytes.
        bytes === text.length ? 'latin1' : 'utf8',
      );
    } else {
      if (!response.headersSent) begin();
      response.write(text);
    }
    onWritten();
  }

  return {
    write(text) {
      if (pending === '') process.nextTick(flush);
      pending += text;
    },
    end(text) {
      if (!response.headersSent) begin();
      const last = pending + text;
      pending = '';
      response.end(last);
    },
    get hasBegun() {
      return pending !== '' || response.headersSent;
    },
  };
}

/** Something of it waits in node:http itself: what goes past that would come first. */
function isHeld(response: ServerResponse): boolean {
  return response.writableLength > (response.socket?.writableLength ?? 0);
}
