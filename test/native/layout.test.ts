import { expect, it } from 'vitest';
import { createFallback } from '../../lib/native/fallback.js';
import {
  CORES_BUSY_RATIO,
  CORES_COUNT,
  CORES_SLOTS,
  HOST,
  HOST_FIELDS,
  LOOP,
  LOOP_FIELDS,
} from '../../lib/native/layout.js';
import { loadNative } from '../../lib/native/loader.js';

const mirror = {
  host: { slots: HOST_FIELDS.length, fields: HOST },
  cores: { slots: CORES_SLOTS, fields: { count: CORES_COUNT, busyRatio: CORES_BUSY_RATIO } },
  loop: { slots: LOOP_FIELDS.length, fields: LOOP },
};

it('the mirror has the offsets that the addon reports', () => {
  expect(loadNative().native!.layout()).toEqual(mirror);
});

it('the JavaScript fallback has the same layout', () => {
  expect(createFallback({ root: '/', hz: 1, heartbeat: null }).layout()).toEqual(mirror);
});

it('every group of the host section ends with its reason, whose name no other field has', () => {
  expect(new Set(HOST_FIELDS).size).toBe(HOST_FIELDS.length);
  expect(HOST_FIELDS.filter((field) => field.endsWith('Reason'))).toHaveLength(14);
});
