import { expect, it } from 'vitest';
import { createRegisterLog } from '../../lib/register/log.js';

function logged(use: (log: ReturnType<typeof createRegisterLog>) => void): string[] {
  const lines: string[] = [];
  use(createRegisterLog((line) => lines.push(line)));
  return lines;
}
const status = (phase: string, ready: boolean, ...reasons: string[]) => ({ phase, ready, reasons });

it('says when the process stops and starts to be ready, once each, and nothing of the start', () => {
  const lines = logged((log) => {
    log.warn(status('starting', false, 'phase.starting'), 'not ready');
    log.info(status('serving', true), 'ready');
    log.warn(status('serving', false, 'model.loading'), 'not ready');
    log.warn(status('serving', false, 'model.loading', 'cpu.throttled'), 'status changed');
    log.info(status('serving', true, 'cpu.throttled'), 'ready');
  });
  expect(lines).toEqual(['not ready: model.loading', 'ready']);
});

it('prints a text of several lines as lines, and other fields behind the message', () => {
  const lines = logged((log) => {
    log.warn({ report: 'no addon\nTried:' }, 'the addon did not load');
    log.error({ cause: 'exit code 1' }, 'thread died');
    log.info({ listeners: [] }, 'health started');
  });
  expect(lines).toEqual([
    'the addon did not load',
    '  no addon',
    '  Tried:',
    'thread died {"cause":"exit code 1"}',
  ]);
});
