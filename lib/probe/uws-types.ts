/** The part of uWebSockets.js that is used here; the module's own typings are not installed. */
export interface UwsModule {
  App(): UwsApp;
  /** Undocumented; `_cfg('silent')` stops the `uWebSockets` response header. */
  readonly _cfg?: (setting: string) => void;
  us_socket_local_port(listenSocket: UwsListenSocket): number;
  /** Without it two processes share a port silently (SO_REUSEPORT). */
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
}

export type UwsListenSocket = object;
export type UwsHandler = (response: UwsResponse, request: UwsRequest) => void;

export interface UwsApp {
  get(pattern: string, handler: UwsHandler): UwsApp;
  head(pattern: string, handler: UwsHandler): UwsApp;
  any(pattern: string, handler: UwsHandler): UwsApp;
  /** Called with +1 when a connection opens and −1 when it ends. */
  filter(handler: (response: UwsResponse, change: number) => void): UwsApp;
  /** Calls back before it returns, with false and no cause if the address cannot be had. */
  listen(
    host: string,
    port: number,
    options: number,
    done: (listenSocket: UwsListenSocket | false) => void,
  ): UwsApp;
  listen_unix(done: (listenSocket: UwsListenSocket | false) => void, path: string): UwsApp;
  /** Closes the listening socket and every connection. */
  close(): UwsApp;
}

/** Valid until the answer is complete or aborted; touching it later throws. */
export interface UwsResponse {
  writeStatus(status: string): UwsResponse;
  writeHeader(name: string, value: string): UwsResponse;
  end(body: Uint8Array, closeConnection: boolean): UwsResponse;
  /** Sends what the socket takes now. The second result tells whether that was everything. */
  tryEnd(body: Uint8Array, totalBytes: number): [wasTaken: boolean, isDone: boolean];
  /** Called when the socket takes more, with the number of body bytes sent so far; returns whether it took them. */
  onWritable(handler: (offset: number) => boolean): UwsResponse;
  /** Never pass a length: 20.51.4 then aborts the process. Without one it ends the answer after the header. */
  endWithoutBody(): UwsResponse;
  close(): UwsResponse;
  onAborted(handler: () => void): UwsResponse;
  cork(write: () => void): UwsResponse;
}

/** Valid only inside the handler, before its first `await`. */
export interface UwsRequest {
  getMethod(): string;
  getUrl(): string;
  getQuery(): string | undefined;
  getHeader(lowerCaseName: string): string;
}
