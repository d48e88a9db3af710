import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compare, parseCell, smiProblem } from '../../scripts/lib/gpu-test/smi.mjs';

/** Answers as nvidia-smi does: one field of one GPU, an error for a field that it does not know. */
const STUB = `#!/bin/sh
case "$1" in
  -L) echo "GPU 0: Fake (UUID: GPU-1)" ;;
  *=uuid,memory.total) echo "GPU-1, 81920" ;;
  *=uuid,power.draw) echo "GPU-1, 310.52" ;;
  *=uuid,pstate) echo "GPU-1, P0" ;;
  *=uuid,retired_pages.pending) echo "GPU-1, [N/A]" ;;
  *=gpu_uuid,remapped_rows.pending) echo "GPU-1, Yes" ;;
  *) echo "Field is not a valid field to query." >&2; exit 2 ;;
esac
`;

describe('the comparison with nvidia-smi', () => {
  const { PATH } = process.env;
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'smi-'));
    writeFileSync(join(folder, 'nvidia-smi'), STUB);
    chmodSync(join(folder, 'nvidia-smi'), 0o755);
    process.env.PATH = `${folder}:${PATH}`;
  });
  afterEach(() => {
    process.env.PATH = PATH;
    rmSync(folder, { recursive: true });
  });

  it('reads numbers, states and words, and knows what is not there', () => {
    expect(['81920', '310.52', 'P8', 'Yes', 'Disabled', '[N/A]', ''].map(parseCell)).toEqual([
      81920,
      310.52,
      8,
      1,
      0,
      null,
      null,
    ]);
  });

  it('finds equal, unequal and missing values', async () => {
    expect(smiProblem()).toBeNull();
    const values = new Proxy(
      { memTotalBytes: 80 * 2 ** 30, powerMw: 200_000, pState: 0, remapPending: 1, retiredPending: 0 },
      { get: (known, field) => Reflect.get(known, field) ?? Number.NaN },
    );
    let refreshes = 0;
    const results = await compare(
      () => [{ uuid: 'GPU-1', values }],
      async () => {
        refreshes += 1;
      },
      2,
    );
    const of = (field: string) => results.find((result) => result.field === field);
    expect(of('memTotalBytes')).toMatchObject({ isSame: true });
    expect(of('pState')).toMatchObject({ isSame: true });
    expect(of('remapPending')).toMatchObject({ isSame: true });
    expect(of('powerMw')).toMatchObject({ isComparable: true, isSame: false, expected: 310_520 });
    expect(of('retiredPending')).toMatchObject({ isComparable: false, expected: null });
    expect(of('temperatureC')).toMatchObject({ isComparable: false });
    expect(refreshes).toBe(25 + 1);
  });

  it('says that there is no nvidia-smi', () => {
    process.env.PATH = '/nonexistent';
    expect(smiProblem()).toBe('nvidia-smi is not installed');
  });
});
