/** Exit codes of the commands; the numbers above 1 are those of sysexits(3). `check` uses the first two only. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 64,
  cannotBind: 69,
  configuration: 78,
} as const;
