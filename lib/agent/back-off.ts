/** How long to wait before the next start: the first at once, then doubling from 250 ms up to 30 s until one succeeds. */
export interface BackOff {
  failed(nowMs: number): void;
  succeeded(): void;
  remainingMs(nowMs: number): number;
}

const FIRST_MS = 250;
const LAST_MS = 30_000;

export function createBackOff(): BackOff {
  let failures = 0;
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  return {
    failed(nowMs) {
      failures += 1;
      notBeforeMs = failures === 1 ? nowMs : nowMs + Math.min(FIRST_MS * 2 ** (failures - 2), LAST_MS);
    },
    succeeded() {
      failures = 0;
    },
    remainingMs: (nowMs) => Math.max(0, Math.ceil(notBeforeMs - nowMs)),
  };
}
